"""Raw data: brought in, versioned, restored."""
