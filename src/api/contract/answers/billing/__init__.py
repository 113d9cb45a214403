"""The answers of billing."""
