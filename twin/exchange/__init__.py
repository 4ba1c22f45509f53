"""Exchange cases with systems of others: what they are told, how it is signed, when it is tried again."""
