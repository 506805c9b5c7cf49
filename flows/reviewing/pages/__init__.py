"""The review as Markdown, HTML and JSON."""
