"""Kinds whose rows are pictures."""
