"""What people send, and what they are answered: /api speaks the shapes that front ends of products expect."""
