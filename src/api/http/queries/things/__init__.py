"""The routes of one thing of an account, and what `expand` adds to answers."""
