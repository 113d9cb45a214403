"""Calls to payment providers, made to servers on this machine that answer as they do."""
