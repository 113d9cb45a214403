"""`credit-ledger verify`: verifies a ledger, an export or a statement by its hashes and signatures."""
