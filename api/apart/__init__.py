"""Open bytes that nobody vouches for in processes apart, which can do nothing but compute."""
