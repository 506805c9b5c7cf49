"""Encoder-decoder models: they read one text and write another."""
