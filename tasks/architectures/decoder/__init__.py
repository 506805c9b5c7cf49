"""Decoders: models that write texts."""
