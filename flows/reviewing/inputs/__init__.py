"""The two revisions that are compared."""
