"""Statements: the events of one account in a period with their proofs, as JSON and as a page."""
