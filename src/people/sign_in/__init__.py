"""People who sign in here: registrations, passwords, mailed links, and the sessions of users."""
