"""Hold the tests; a package, so that no other program's folder of this name is taken for it."""
