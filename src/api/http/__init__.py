"""The routes for commands and queries."""
