"""What kinds of texts share."""
