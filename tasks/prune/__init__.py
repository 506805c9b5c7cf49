"""Stage prune: the teacher cut down to a student."""
