"""What differs between text classification and whatever comes later: one file, one value, per kind."""
