"""What kinds share whose models write texts."""
