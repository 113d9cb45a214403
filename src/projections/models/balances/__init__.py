"""The read model balances."""
