"""A company that never was: weeks of accounts, work, plans and mishaps, for whoever wants to see the ledger in use."""
