"""One picture, one label."""
