"""Counts of what is no event: refused commands by code."""
