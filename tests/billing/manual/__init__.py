"""Our own provider: payments by bank transfer, and what time does to subscriptions."""
