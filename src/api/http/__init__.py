"""The routes for commands and queries, and what stands before them."""
