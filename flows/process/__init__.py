"""Child processes, their environment and their secrets."""
