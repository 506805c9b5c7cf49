"""What is done: every module here is one stage, a function from inputs to an artifact.

No Prefect, no DVC, no clock.
"""
