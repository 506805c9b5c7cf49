"""The forms in which a model is measured: linear, in torch, as it ships, and those that write."""
