"""Counts of what no event records: refused commands by code."""
