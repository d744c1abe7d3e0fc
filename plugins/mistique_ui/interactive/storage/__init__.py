"""Where the bytes of the store went, and what they are worth."""
