"""Which of two models is better, and could one have seen it: statistics and measuring, without Prefect and DVC."""
