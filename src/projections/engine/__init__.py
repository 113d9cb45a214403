"""Moves the read models along the log, and rebuilds and switches them."""
