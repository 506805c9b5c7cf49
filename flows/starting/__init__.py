"""`slipway new`: looks at data, and writes a run for them."""
