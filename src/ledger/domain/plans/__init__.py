"""The terms of plans, and what events say of subscriptions to them."""
