"""Kinds of task. `base` is what a kind is; every other folder with a `kind.py` is one."""
