"""Revenue: what paid credits are worth, when that money is earned, and what is still owed."""
