"""Frozen tables of rows, as Parquet. Read without `datasets`, which would keep a copy in the user's home."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, in their order."""
    rows: list[dict[str, Any]] = pq.read_table(path, memory_map=True).to_pylist()
    return rows
