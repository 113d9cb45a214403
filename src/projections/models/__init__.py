"""The read models: one folder each, with its projection, its SQL and its queries."""
