"""The read model `balances`."""
