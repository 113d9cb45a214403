"""The read model history."""
