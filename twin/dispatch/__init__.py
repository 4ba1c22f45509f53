"""Bring cases to people: the network they move on, who is asked to go, and what an emergency calls for."""
