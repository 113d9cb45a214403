"""The dashboard: pages for account holders and operators, rendered here from the queries and commands of the API."""
