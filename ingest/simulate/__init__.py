"""Make up devices and workers that live: where they stand, and what they send over the public protocol."""
