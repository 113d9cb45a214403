"""The pages of teams: who is in one, what they may do and used, the limits that a team sets, and invitations."""
