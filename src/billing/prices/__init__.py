"""The price book: what usage costs. Its versions, which never change, and the one that is in force."""
