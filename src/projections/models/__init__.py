"""The read models: a folder for each, with what it gathers, its SQL and its queries."""
