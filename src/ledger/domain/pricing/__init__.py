"""What usage costs: the rates of a price book, the rate that fits, and the price that an event keeps."""
