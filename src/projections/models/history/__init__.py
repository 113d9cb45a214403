"""The read model `history`."""
