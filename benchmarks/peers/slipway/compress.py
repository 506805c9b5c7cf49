"""Slipway's own quantization alone, of the teacher instead of a student.

    python -m benchmarks.peers.slipway.compress JOB

Runs in the measuring environment. It asks the stage for no agreement: what comes out is measured beside the
others, however good.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tasks.quantize import stage as quantize


def main(job: dict[str, Any]) -> None:
    out, scratch = Path(job["out"]), Path(job["out"]).with_name("scratch")
    scratch.mkdir()
    params = quantize.Params.model_validate({**job["quantize"], "min_agreement": 0.0})
    quantize.run(quantize.Inputs(Path(job["ingest"]), Path(job["teacher"])), params, scratch, scratch)
    (scratch / "out").replace(out)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
