"""Serve the twin: HTTP, live sockets, the command line."""
