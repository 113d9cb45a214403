"""What proves the log: its Merkle tree, signed checkpoints and their keys, and the walk that holds all against them."""
