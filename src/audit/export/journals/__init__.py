"""Journals for plain-text accounting: events as double entries, in the notations of Beancount and hledger."""
