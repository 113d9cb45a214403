"""The pages on which operators import files of usage."""
