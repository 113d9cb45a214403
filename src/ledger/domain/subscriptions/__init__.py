"""The subscriptions of an account: their terms, what is known of them, and what they entitle to."""
