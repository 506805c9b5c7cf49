"""Which form a file has, by its first kilobytes; its name is a hint."""
