"""Hold the network that people walk, ride and drive on, and answer how long a way takes."""
