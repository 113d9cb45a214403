"""What each command does: the state of its account and a command become events, or a refusal."""
