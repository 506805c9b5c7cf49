"""A raw row, and what is understood of the bytes and values it is made of."""
