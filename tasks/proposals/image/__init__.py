"""Runs of pictures."""
