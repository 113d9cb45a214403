"""The endpoints of commands: one command in a request, or a batch of them."""
