"""The demo: an invented company with weeks of history, for whoever wants to see the ledger in use."""
