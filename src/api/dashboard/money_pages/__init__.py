"""The pages on which operators see what plans bring in, and which payments are disputed."""
