"""What arrives: the inbox, its checks and its store."""
