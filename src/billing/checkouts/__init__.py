"""Checkouts: what somebody wants to buy, what it costs, and the page on which it is paid."""
