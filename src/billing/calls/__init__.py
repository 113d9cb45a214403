"""Calls to payment providers: what is asked of each, and what they answer."""
