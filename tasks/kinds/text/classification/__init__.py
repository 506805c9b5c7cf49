"""One text, one label."""
