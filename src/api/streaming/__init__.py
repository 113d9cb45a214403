"""Server-sent events: one follower of the log for all who listen."""
