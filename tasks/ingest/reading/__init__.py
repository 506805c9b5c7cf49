"""Readers of raw data, one module per format."""
