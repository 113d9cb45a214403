"""Explanations of stored events for auditors: what each event did, why, and whether it agrees with the rules."""
