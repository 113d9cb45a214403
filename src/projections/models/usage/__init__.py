"""The read model usage."""
