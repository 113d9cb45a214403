"""Teams: an account that several people pay from, each with a role."""
