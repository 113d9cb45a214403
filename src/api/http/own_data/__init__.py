"""What is a person's own: the copy of everything about them, and the subscription of their account."""
