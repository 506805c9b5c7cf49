"""What a reviewer reads of two revisions; flows/diff.py puts it together."""
