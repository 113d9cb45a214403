"""Statements: one account's events in a period, with what proves them, as JSON and as a page."""
