"""One text, a tag for each word."""
