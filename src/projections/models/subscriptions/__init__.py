"""The read model `subscriptions`."""
