"""The read model `uncollected`."""
