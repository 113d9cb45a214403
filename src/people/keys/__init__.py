"""API keys of services and of people: their text, those that a process knows, and what is done with them."""
