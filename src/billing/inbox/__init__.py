"""The inbox: deliveries of payment providers, from the moment they arrive until they are applied to the ledger."""
