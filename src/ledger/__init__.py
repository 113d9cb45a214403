"""The ledger: commands, events, the rules of an account, the event store, and the proof of the log."""
