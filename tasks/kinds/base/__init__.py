"""What a kind is, and parts that kinds are made of."""
