"""Bring a database to the schema of this build, step by step."""
