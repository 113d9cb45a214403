"""Where the service listens: its addresses and ports, and the connections to them."""
