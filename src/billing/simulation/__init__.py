"""Deliveries of payment providers as they would come, for trying a service without an account at any provider."""
