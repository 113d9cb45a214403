"""What leaves the ledger in files: the log as it is stored, tables of entries, journals of double entries."""
