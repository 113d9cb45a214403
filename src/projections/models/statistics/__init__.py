"""The read model statistics."""
