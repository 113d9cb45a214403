"""The design that people build today, written as well as a good engineer would write it."""
