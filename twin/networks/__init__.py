"""Join lines, nodes and buildings into networks, and trace who is affected by a break."""
