"""What a reviewer reads of two revisions; flows/review.py puts it together."""
