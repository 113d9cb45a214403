"""The rules of an account: pure values and functions. Standard library only; time, ids and state are handed in."""
