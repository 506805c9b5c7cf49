"""Runs one stage: checks what it will need, stages its result, starts processes that train together."""
