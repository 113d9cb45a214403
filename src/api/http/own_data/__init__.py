"""The copy of everything about a person, which they take away."""
