"""Changes of a subscription that somebody asks for: upgrade, downgrade, cancel, reactivate."""
