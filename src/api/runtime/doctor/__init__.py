"""What `credit-ledger doctor` looks at: the machine, the database, and the ledger in it. It changes nothing."""
