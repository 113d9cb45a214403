"""How the processes of a service share their metrics."""
