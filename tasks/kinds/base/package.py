"""What a kind says of the folder that ships: what is in it beside the graph, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.kinds.base.rows import Processor, Row

if TYPE_CHECKING:
    import numpy as np


def no_facts(options: Any) -> dict[str, Any]:
    """`Package.facts` of kinds whose options do not matter to the folder."""
    return {}


@dataclass(frozen=True)
class Package:
    """The shippable folder of a kind. `m` decisions, `c` labels."""

    ship: Callable[[Path, Processor, int], dict[str, Any]]
    """(folder, processor, input size) -> writes what `request` reads there; returns what preprocessing.json
    says of it."""
    request: Callable[[Path], Callable[[Any], tuple[dict[str, np.ndarray], np.ndarray | None]]]
    """Folder -> a function from the input as a user has it to the graph's inputs, batch 1, and the positions
    at which decisions are made (None: one decision), without torch or transformers."""
    raw_input: Callable[[Row], Any]
    """The input of a row as a user has it."""
    answer_line: Callable[[Any, np.ndarray, Sequence[str], Mapping[str, Any]], str]
    """(input, probabilities (m, c), label names, what preprocessing.json says) -> the answer in a line."""
    answer: Callable[[Any, np.ndarray, Sequence[str], Mapping[str, Any]], dict[str, Any]]
    """Of the same: the answer as JSON has it, for programs."""
    lengths: bool = False
    """Whether inputs differ in length, the second dimension of what the graph reads."""
    graphs: frozenset[str] = frozenset({"exported", "fused"})
    """How its graphs are made,"""
    formats: frozenset[str] = frozenset({"int8-dynamic", "int8-static", "fp16", "bf16", "fp32"})
    """and the formats that they ship in."""
    embeddings: frozenset[str] = frozenset()
    """Forms that the table of words can have in place of that of all weights, such as `int8` and `int4`; none
    where the graph looks nothing up."""
    facts: Callable[[Any], dict[str, Any]] = no_facts
    """Options -> what of them preprocessing.json says."""
