"""The read model `usage`."""
