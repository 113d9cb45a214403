"""`credit-ledger verify`: a ledger, an export or a statement, judged by its hashes and signatures."""
