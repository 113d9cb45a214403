"""The plan of an account, on its pages."""
