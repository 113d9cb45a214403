"""The pages on which operators see what payment providers reported, and decide about it."""
