"""The processes of the service, and what each of them does from its start to its end."""
