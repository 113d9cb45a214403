"""`credit-ledger replay`: an account's stream told as a story."""
