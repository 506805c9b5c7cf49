"""The look-up of words in a float graph as two factors (tasks/models/low_rank.py).

A narrower look-up, and a product that widens it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper, load, numpy_helper, save
from threadpoolctl import threadpool_limits

from tasks.core.errors import ModelError
from tasks.export import int4_table
from tasks.models import low_rank


def take_apart(float_file: Path, rank: int) -> Path:
    """Writes, beside a float graph whose table of words has this rank, its copy with the factors of the table
    apart.

    Raises:
        ModelError: it looks up no words.
    """
    model = load(float_file)
    graph = model.graph
    tables, look_ups = {one.name: one for one in graph.initializer}, int4_table.look_ups(graph)
    if not look_ups:
        raise ModelError(
            float_file.name,
            f"the config tells words of rank {rank} ({low_rank.RANK}), but the graph looks up no words",
        )
    for node in look_ups:
        table = tables[node.input[0]]
        halves = dict(
            zip(
                (f"{table.name}_narrow", f"{table.name}_widening"),
                turned(numpy_helper.to_array(table), rank),
                strict=True,
            )
        )
        graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in halves.items())
        graph.initializer.remove(table)
        narrow, wide = halves
        given, found = node.output[0], f"{node.output[0]}_narrow"
        node.input[0], node.output[0] = narrow, found
        widened = helper.make_node("MatMul", [found, wide], [given], name=f"{node.name}_widened")
        graph.node.insert(list(graph.node).index(node) + 1, widened)
    file = float_file.with_suffix(".factors.onnx")
    save(model, file)
    return file


def turned(table: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """(v, h) of this rank -> (v, rank) and (rank, h), whose product it is.

    The first is turned so that no column of it is much larger than the others: rounded to few bits, the
        numbers of a row share a scale.
    """
    basis, _ = low_rank.directions(table, rank)
    with threadpool_limits(1):
        turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((rank, rank)))
        basis = basis @ turn
        return (table @ basis).astype(np.float32), np.ascontiguousarray(basis.T, dtype=np.float32)
