"""What belongs to the command that imports usage: its options, and its preview."""
