"""The answers of one thing of an account, and what `expand` adds to them."""
