"""The pages of people who sign in here: register, sign in, and the links in their mails."""
