"""Whether the read models are what the events add up to."""
