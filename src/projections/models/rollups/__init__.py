"""The read model rollups."""
