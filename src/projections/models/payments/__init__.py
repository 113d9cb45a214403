"""The read model payments."""
