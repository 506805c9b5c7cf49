"""The look-up of words in a float graph as two factors (tasks/shared/low_rank.py): a narrower look-up, and a product that widens it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper, load, numpy_helper, save

from tasks.shared.four_bits import look_ups


def part(float_file: Path, rank: int) -> Path:
    """Writes, beside a float graph whose table of words has this rank, its copy with the factors of the table apart."""
    model = load(float_file)
    graph = model.graph
    tables = {one.name: one for one in graph.initializer}
    for node in look_ups(graph):
        table = tables[node.input[0]]
        narrow, wide = factors(numpy_helper.to_array(table), rank)
        names = [f"{table.name}_{part}" for part in ("narrow", "widening")]
        graph.initializer.extend(numpy_helper.from_array(values, name) for values, name in zip((narrow, wide), names, strict=True))
        graph.initializer.remove(table)
        given, found = node.output[0], f"{node.output[0]}_narrow"
        node.input[0], node.output[0] = names[0], found
        widened = helper.make_node("MatMul", [found, names[1]], [given], name=f"{node.name}_widened")
        graph.node.insert(list(graph.node).index(node) + 1, widened)
    file = float_file.with_suffix(".factors.onnx")
    save(model, file)
    return file


def factors(table: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """(v, h) of this rank -> (v, rank) and (rank, h), whose product it is.

    The first is turned so that no column of it is much larger than the others: rounded to few bits, the numbers of a row share a scale.
    """
    wide = table.astype(np.float64)
    _, directions = np.linalg.eigh(wide.T @ wide)
    turned, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((rank, rank)))
    basis = directions[:, -rank:] @ turned
    return (wide @ basis).astype(np.float32), np.ascontiguousarray(basis.T, dtype=np.float32)
