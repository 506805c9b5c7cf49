"""Whether params say what decides which parts go: all that the sizes need, and nothing that has no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from tasks.core.needs import Need
from tasks.core.params import Section

if TYPE_CHECKING:
    from tasks.prune.stage import Params

MEASURED_BY = ("taylor", "activation")


OF_LAYERS = (
    *("layers", "decoder_layers", "hidden", "ffn", "word_rank", "depths", "widths"),
    *("layers_by", "importance", "measured", "recovery"),
)
"""What a student without layers has no use for."""


class Measured(Section):
    batches: int = Field(ge=1, le=100_000, description="batches of training rows")
    batch_size: int = Field(ge=1, le=4096, description="rows per batch")


class Recovery(Section):
    steps: int = Field(
        ge=2, le=100, description="steps in which the sizes approach those asked for, a recovery between two"
    )
    epochs: int = Field(ge=1, le=1000, description="passes over the training rows between two steps")
    batch_size: int = Field(ge=1, le=4096, description="rows per step of the training")
    learning_rate: float = Field(gt=0, le=0.1, description="greatest learning rate")


SIZES = ("layers", "decoder_layers", "hidden", "ffn", "depths", "widths")


def sizes(params: Params) -> dict[str, Any]:
    """The sizes that are given, of those that the student has."""
    given = {name: getattr(params, name) for name in (*(() if params.static else SIZES), "vocabulary")}
    return {name: size for name, size in given.items() if size is not None}


def needs(params: Params) -> list[Need]:
    if params.static:
        why = "a static student has no layers"
        return [Need(f"prune.{name}", getattr(params, name), False, why, "") for name in OF_LAYERS]
    layers = any(size is not None for size in (params.layers, params.decoder_layers, params.depths))
    widths = any(size is not None for size in (params.hidden, params.ffn, params.widths))
    by = [f"importance {params.importance}"] if widths and params.importance in MEASURED_BY else []
    measured = layers and params.layers_by in ("importance", "influence")
    by += [f"layers_by {params.layers_by}"] if measured else []
    return [
        Need(
            "prune.layers_by",
            params.layers_by,
            layers,
            "layers go" if layers else "neither layers nor depths is given",
            "spread, importance or influence",
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
