"""What a record of the log is made of: its bytes, its hash, its sealed texts, its receipt. No query is here."""
