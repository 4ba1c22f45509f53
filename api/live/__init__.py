"""Bring the present state and the journal to everyone who looks."""
