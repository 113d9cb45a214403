"""The read model `payments`."""
