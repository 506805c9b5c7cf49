"""Rows that are nearly the same."""
