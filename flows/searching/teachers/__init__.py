"""The search for a teacher, before that for its student."""
