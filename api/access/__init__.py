"""Let callers in: who asks, what they may do, and how they sign in."""
