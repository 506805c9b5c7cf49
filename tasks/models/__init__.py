"""Checkpoints: loading, saving, asking them for logits."""
