"""The shippable folder.

Written beside a graph, opened as its user opens it, with onnxruntime and tokenizers alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from tasks.core.errors import DataError, UnusableRowError
from tasks.kinds.base.kind import UNDECIDED, Kind, Processor, Row, load_kind

GRAPH = "model.onnx"
LABELS = "labels.json"
PREPROCESSING = "preprocessing.json"
SHOWN = 100


def write_preprocessing(
    folder: Path, kind: Kind, processor: Processor, labels: Sequence[str], facts: Mapping[str, Any]
) -> None:
    """Everything between an input and the graph, and between its logits and a label.

    `facts["input_size"]` is how large inputs are.
    """
    folder.mkdir(exist_ok=True)  # a run that was killed may have left it
    told = {**facts, **kind.package.ship(folder, processor, facts["input_size"])}
    (folder / LABELS).write_text(
        json.dumps(list(labels), ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    (folder / PREPROCESSING).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def preprocessing(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / PREPROCESSING).read_text(encoding="utf-8"))
    return facts


def session(file: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU with so many threads, which it lets sleep between calls."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (m, c) of logits (m, c)."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def decider(folder: Path, graph: Path, kind: Kind, threads: int) -> Callable[[Row], np.ndarray]:
    """A function from a row to the logits (m, c) of its decisions, as a graph gives them in this folder; of
    models that write before each piece of the row's right answer.
    """
    raw_input = kind.package.raw_input
    if kind.generation:
        writer = kind.generation.shipped(folder, graph)
        writer.use(threads)
        return lambda row: writer.forced(raw_input(row), row["label"])
    opened, request = session(graph, threads), kind.package.request(folder)
    return lambda row: logits(opened, request, raw_input(row))


def answerer(folder: Path, kind: Kind) -> Callable[[Any], Any]:
    """A function from an input as a user has it to the answer: probabilities (m, c), or the text that is
    written.
    """
    if kind.generation:
        writer = kind.generation.shipped(folder, folder / GRAPH)
        return lambda value: writer.write([value])[0].text
    graph, request = session(folder / GRAPH, threads=1), kind.package.request(folder)
    return lambda value: softmax(logits(graph, request, value))


def load(folder: Path, kind: str) -> Callable[[Any], str]:
    """A function from an input as a user has it to the answer in a line. It raises DataError for an input
    that cannot be used.

    Raises:
        DataError: there is no such folder yet.
    """
    return _load(folder, kind, load_kind(kind).package.answer_line)


def load_structured(folder: Path, kind: str) -> Callable[[Any], str]:
    """As `load`, but the answer is a JSON object: what `Package.answer` gives, and the `input`."""
    structured = load_kind(kind).package.answer

    def in_json(value: Any, *asked: Any) -> str:
        return json.dumps({"input": value, **structured(value, *asked)}, ensure_ascii=False)

    return _load(folder, kind, in_json)


def _load(folder: Path, kind: str, told: Callable[..., str]) -> Callable[[Any], str]:
    if missing := next(
        (name for name in (GRAPH, LABELS, PREPROCESSING) if not (folder / name).is_file()), ""
    ):
        raise DataError(folder.as_posix(), f"has no {missing} yet; make it with `slipway run`")
    labels = json.loads((folder / LABELS).read_text(encoding="utf-8"))
    answered, facts = answerer(folder, load_kind(kind)), preprocessing(folder)

    def answer(value: Any) -> str:
        try:
            return told(value, answered(value), labels, facts)
        except UnusableRowError as reason:
            raise DataError(ascii(value[:SHOWN]), str(reason)) from None

    return answer


def logits(graph: onnxruntime.InferenceSession, request: Callable[[Any], Any], value: Any) -> np.ndarray:
    """Logits (m, c) of an input as a user has it."""
    inputs, where = request(value)
    return decided(graph.run(["logits"], inputs)[0], where)


def decided(answer: np.ndarray, where: np.ndarray | None) -> np.ndarray:
    """Logits (m, c) of an input, of those at each position (1, l, c), or of those of its p parts (p, c)."""
    if where is None:
        return answer if len(answer) == 1 else answer.mean(0, keepdims=True)
    undecided = UNDECIDED * (np.arange(answer.shape[-1]) == 0).astype(answer.dtype)
    found: np.ndarray = np.where(where[:, None] == 0, undecided, answer[0, where])
    return found
