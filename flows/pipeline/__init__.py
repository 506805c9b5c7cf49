"""The graph of dvc.yaml, run by Prefect and DVC."""
