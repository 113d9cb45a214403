"""The read model `statistics`."""
