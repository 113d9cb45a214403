"""The read model `rollups`."""
