"""What kinds of pictures share."""
