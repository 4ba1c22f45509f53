"""Bring the world in: files into the model, messages into observations, simulated devices."""
