"""Hold the twin: its model, its present state, its history, and what happens in it."""
