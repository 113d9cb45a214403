"""The limits page, and the forms with which operators set limits."""
