"""What every script reads: the checkpoints, the rows and the values of the run that is compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.core import tables
from tasks.core.params import Section
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint

CALIBRATION = 300
"""Training texts for those that calibrate: NNCF's own default."""
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd")


def job(data: Path, params: Mapping[str, Section]) -> dict[str, Any]:
    """The job of the run whose artifacts are in `data`, `params` being its stages'.

    Peers that train get what Slipway's own student was made of: the labelled training rows, and as the pool
    the texts that the run's teacher labelled for it. The validation rows are for recipes that tune or stop by
    quality, as Slipway's do; the test rows are never in a job.
    """
    ingest, values = data / "ingest" / "out", params["benchmark"].model_dump()
    index = {label: number for number, label in enumerate(checkpoint.label_names(ingest))}
    rows = {split: tables.read(ingest / f"{split}.parquet") for split in ("train", "validation", "pool")}
    kind, tuning = load_kind(values["kind"]), params["finetune"].model_dump()
    pool = kind.data.transfer(
        rows["train"], rows["pool"], tuning["pool_outputs"], kind.options.model_validate(tuning["options"])
    )
    labelled = {name: [row["text"] for row in rows[name]] for name in ("train", "validation")} | {
        f"{name}_labels": [index[row["label"]] for row in rows[name]] for name in ("train", "validation")
    }
    return {
        "teacher": str(data / "finetune" / "out"),
        "pretrained": str(data / "pretrain" / "out"),
        "ingest": str(ingest),
        **labelled,
        "calibration": labelled["train"][:CALIBRATION],
        "pool": [row["text"] for row in pool],
        "labels": list(index),
        "input_size": values["input_size"],
        "threads": values["threads"],
        "instructions": instructions(),
        "quantize": params["quantize"].model_dump(),
    }


def instructions() -> list[str]:
    """Of those that matter to int8 and bf16, what this processor has; none where the system does not tell."""
    info = Path("/proc/cpuinfo")
    told = (
        re.search(r"^(?:flags|Features)\s*:(.*)$", info.read_text(encoding="utf-8"), re.MULTILINE)
        if info.is_file()
        else None
    )
    present = set(told[1].split()) if told else set()
    return [name for name in INSTRUCTIONS if name in present]
