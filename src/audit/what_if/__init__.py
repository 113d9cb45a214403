"""What if: what the usage of a period would have cost under another price book, from the log."""
