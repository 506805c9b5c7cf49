"""What each kind proposes for data that nobody has tuned for; outside of the folders that stages depend on."""
