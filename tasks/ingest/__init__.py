"""Stage ingest: raw data become frozen splits."""
