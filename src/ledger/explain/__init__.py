"""The story of an account for whoever trusts nobody: each event explained, and held against the rules."""
