"""Kinds whose rows are texts."""
