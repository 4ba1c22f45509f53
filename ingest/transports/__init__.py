"""Carry bytes from the world to the decoders."""
