"""What the events add up to. Everything here can be thrown away and built again from the log."""
