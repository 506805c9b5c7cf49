"""Texts in, texts out: a model reads one text and writes another."""
