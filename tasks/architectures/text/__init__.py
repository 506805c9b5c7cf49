"""Architectures whose models read texts, one in each module."""
