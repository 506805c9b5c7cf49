"""When and where: the only folder that knows Prefect and DVC."""
