"""Tests of changes of subscriptions."""
