"""The dashboard: pages for people and operators, rendered here, over the same questions and commands as the API."""
