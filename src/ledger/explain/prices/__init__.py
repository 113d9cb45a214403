"""How the price of a priced event is explained and checked."""
