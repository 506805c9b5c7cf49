"""Runs of texts."""
