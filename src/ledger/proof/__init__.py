"""The proof of the log: its Merkle tree, signed checkpoints and their keys, and the walk that verifies a log."""
