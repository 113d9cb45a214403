"""The pages on which a subscription is changed, by the holder of its account or an operator."""
