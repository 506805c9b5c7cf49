"""What each kind proposes for data that nobody has tuned for; no stage depends on this folder."""
