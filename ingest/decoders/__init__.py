"""Say what bytes from outside mean; pure functions, one file a payload format."""
