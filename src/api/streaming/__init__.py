"""Server-sent events: one follower of the log in each process serves all open streams."""
