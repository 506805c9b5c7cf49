"""Stage benchmark: every variant measured side by side, and the report."""
