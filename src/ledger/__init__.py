"""The truth: commands, events, the rules of an account, and the store that keeps them."""
