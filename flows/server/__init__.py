"""The Prefect server of `make ui`, its workers and what they tell."""
