"""The running service: its settings, its database, its processes, and where they listen."""
