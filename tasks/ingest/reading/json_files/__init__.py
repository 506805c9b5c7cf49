"""Reading JSON: rows, tables by column, and what tools for annotation write."""
