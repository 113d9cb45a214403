"""`credit-ledger replay`: replays the stream of one account into a history."""
