"""The clients, and what generators make of the OpenAPI document."""
