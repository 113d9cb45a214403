"""The routes below /api, for people who sign in here. They take no cookies, so no other site can use them."""
