"""Which of two models is better, and could one have seen it.

Statistics and measuring, without Prefect and DVC.
"""
