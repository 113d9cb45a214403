"""Every way in: HTTP routes, command line and wiring."""
