"""What is sold, and what payment providers say about it."""
