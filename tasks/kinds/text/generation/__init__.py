"""Texts in, texts out: prompts that a model goes on with."""
