"""Tests of what people, and the services of their products, ask about people."""
