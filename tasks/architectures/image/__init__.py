"""Architectures whose models read pictures, one in each module."""
