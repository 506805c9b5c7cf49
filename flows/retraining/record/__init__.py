"""The registry, the history and the model card."""
