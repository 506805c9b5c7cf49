"""The few things that several stages need."""
