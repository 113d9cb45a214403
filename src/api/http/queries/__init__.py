"""The queries: the routes that read, and the questions that only pages ask."""
