"""People in a process of the service: who signs in, and how mail goes to them."""
