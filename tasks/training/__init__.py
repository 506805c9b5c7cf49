"""The training loop, its checkpoints, and processes that train together."""
