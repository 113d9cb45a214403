"""Checks whether the read models agree with the events."""
