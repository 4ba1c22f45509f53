"""Hold the present state of everything that moves or changes, as numpy columns with H3 rooms."""
