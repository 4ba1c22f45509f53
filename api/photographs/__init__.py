"""Take photographs in: receive them, develop them in a process apart, check what they claim, keep them."""
