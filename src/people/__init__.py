"""Access: API keys and sessions."""
