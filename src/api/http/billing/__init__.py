"""The routes of billing: what is sold."""
