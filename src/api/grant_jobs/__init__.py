"""Grants to everybody of a kind: one job gives each account its grant once."""
