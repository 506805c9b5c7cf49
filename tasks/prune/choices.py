"""Whether params say what decides which parts go: all that the sizes need, and nothing that has no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.core.needs import Need

if TYPE_CHECKING:
    from tasks.prune.stage import Params

MEASURED_BY = ("taylor", "activation")


def needs(params: Params) -> list[Need]:
    layers = params.layers is not None or params.depths is not None
    widths = any(size is not None for size in (params.hidden, params.ffn, params.widths))
    by = [f"importance {params.importance}"] if widths and params.importance in MEASURED_BY else []
    by += ["layers_by importance"] if layers and params.layers_by == "importance" else []
    return [
        Need(
            "prune.layers_by",
            params.layers_by,
            layers,
            "layers go" if layers else "neither layers nor depths is given",
            "spread, or importance",
        ),
        Need(
            "prune.importance",
            params.importance,
            widths,
            "widths shrink" if widths else "none of hidden, ffn and widths is given",
            "taylor, magnitude or activation",
        ),
        Need(
            "prune.measured",
            params.measured,
            bool(by),
            f"{' and '.join(by)} measures on training rows" if by else "nothing is measured",
            "{batches: 20, batch_size: 32}",
        ),
    ]
