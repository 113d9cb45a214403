"""The payment providers: is a delivery genuine, and what does it say. A module knows one provider, and no ledger."""
