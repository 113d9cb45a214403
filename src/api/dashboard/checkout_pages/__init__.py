"""The pages on which something is bought and paid, and the one on which operators say that money came."""
