"""Subscriptions explained: what is said of them, and why their allowances are what they are."""
