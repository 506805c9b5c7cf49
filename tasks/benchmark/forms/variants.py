"""The forms in which a model answers: a linear model, a torch checkpoint, a shippable folder, the same on
OpenVINO. One more form is one more class.

All of them look alike from outside, so that the benchmark asks none what it is. A `Source` says where a
variant lies; it is enough to open it in any process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tasks.benchmark.forms.writing import WritingInTorch, WritingShipped
from tasks.core.errors import ParamsError
from tasks.export import package
from tasks.export.package import GRAPH, session, softmax
from tasks.kinds.base.kind import Kind, Row, load_kind
from tasks.kinds.base.rows import BESIDE_THE_INPUTS


@dataclass(frozen=True)
class Source:
    name: str
    form: str
    """A key of FORMS, or of FORMS_THAT_WRITE."""
    folder: Path


@dataclass(frozen=True)
class Setting:
    """What is the same for all variants of a run."""

    kind: str
    labels: Sequence[str]
    input_size: int
    batch: int
    seed: int
    device: str

    def load_kind(self) -> Kind:
        return load_kind(self.kind)


class Variant(Protocol):
    name: str
    parameters: int | None
    """None where a form does not know it."""
    bytes: int

    def predict(self, rows: Sequence[Row]) -> np.ndarray:
        """Probabilities (m, c) of the decisions of many rows, or the texts (n,) that are written."""

    def answer(self, row: Row) -> Any:
        """From the input as a user has it to probabilities (m, c), or a text."""

    def prepare(self, rows: Sequence[Row], length: int | None) -> Any:
        """One batch, ready for `forward`.

        Inputs of variable length are padded to `length`, or to the longest.
        """

    def forward(self, batch: Any) -> Any:
        """The model alone."""

    def use(self, threads: int) -> None:
        """Sets how many processor threads the next calls have."""


class Linear:
    """The kind's baseline, fitted when opened. It has no step before the model: `prepare` does nothing."""

    def __init__(self, source: Source, setting: Setting) -> None:
        from threadpoolctl import threadpool_limits

        from tasks.core import tables

        with threadpool_limits(1):
            fitted = setting.load_kind().quality.baseline(
                tables.read(source.folder / "train.parquet"), setting.labels, setting.seed
            )
        self.name, self.parameters, self.bytes = source.name, fitted.parameters, fitted.bytes
        self.predict = fitted.predict

    def answer(self, row: Row) -> np.ndarray:
        return self.predict([row])

    def prepare(self, rows: Sequence[Row], length: int | None) -> Sequence[Row]:  # noqa: ARG002 - all forms have the same methods
        return rows

    def forward(self, batch: Sequence[Row]) -> np.ndarray:
        return self.predict(batch)

    def use(self, threads: int) -> None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)


class Torch:
    """A checkpoint in torch, float32."""

    def __init__(self, source: Source, setting: Setting) -> None:
        import torch

        from tasks.models import checkpoint, low_rank

        self.name, self._setting, self._kind = source.name, setting, setting.load_kind()
        self._processor = self._kind.model.load_processor(source.folder)
        self._model = checkpoint.load_model(source.folder, self._kind, torch.device(setting.device))
        self.parameters, self.bytes = low_rank.parameters(self._model), size_of(source.folder)

    def predict(self, rows: Sequence[Row]) -> np.ndarray:
        from tasks.models import inference

        features = self._encode(rows)
        return softmax(
            inference.logits(
                self._model, self._kind, self._processor, features, self._setting.batch, label=self.name
            )
        )

    def answer(self, row: Row) -> np.ndarray:
        import torch

        from tasks.models import inference

        with torch.inference_mode():
            answer, _ = inference.forward(self._model, self._kind, self._processor, self._encode([row]))
        return softmax(answer.numpy())

    def prepare(self, rows: Sequence[Row], length: int | None) -> dict[str, Any]:
        import torch

        batch = self._kind.model.collate(self._processor, self._encode(rows))
        batch = {name: tensor for name, tensor in batch.items() if name not in BESIDE_THE_INPUTS}
        if length is None:
            return batch
        return {name: torch.from_numpy(lengthened(tensor.numpy(), length)) for name, tensor in batch.items()}

    def forward(self, batch: dict[str, Any]) -> Any:
        import torch

        with torch.inference_mode():
            return self._model(**batch).logits

    def use(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)

    def _encode(self, rows: Sequence[Row]) -> list[Any]:
        unlabelled = [{**row, "label": None} for row in rows]
        return self._kind.model.encode(
            self._processor, unlabelled, self._setting.labels, self._setting.input_size
        )


class Onnx:
    """A shippable folder, opened as its user opens it: without torch or transformers.

    Rows are answered one by one, as when served: int8 scales are taken from the whole batch, so an answer
    would depend on its neighbours.
    """

    def __init__(self, source: Source, setting: Setting) -> None:
        kind = setting.load_kind()
        self.name, self.parameters, self.bytes = source.name, None, size_of(source.folder)
        self._file, self._sessions = source.folder / GRAPH, dict[int, Any]()
        self._request, self._raw_input = kind.package.request(source.folder), kind.package.raw_input
        self.use(1)

    def predict(self, rows: Sequence[Row]) -> np.ndarray:
        from tasks.core.progress import track

        return np.concatenate([self.answer(row) for row in track(rows, label=self.name)])

    def answer(self, row: Row) -> np.ndarray:
        return softmax(package.logits(self._session, self._request, self._raw_input(row)))

    def prepare(self, rows: Sequence[Row], length: int | None) -> dict[str, np.ndarray]:
        requests = [self._request(self._raw_input(row))[0] for row in rows]
        names = list(requests[0])
        longest = {name: max(one[name].shape[-1] for one in requests) for name in names}
        return {
            name: np.concatenate([lengthened(one[name], length or longest[name]) for one in requests])
            for name in names
        }

    def forward(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        logits: np.ndarray = self._session.run(["logits"], batch)[0]
        return logits

    def use(self, threads: int) -> None:
        if threads not in self._sessions:
            self._sessions[threads] = session(self._file, threads)
        self._session = self._sessions[threads]


class OpenVino(Onnx):
    """A shippable folder whose graph OpenVINO runs, in the precision it chooses.

    Bf16 where the processor has it.
    """

    def forward(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        self._session.infer(batch, share_inputs=True)
        logits: np.ndarray = self._session.get_output_tensor(0).data
        return logits

    def answer(self, row: Row) -> np.ndarray:
        inputs, where = self._request(self._raw_input(row))
        return softmax(package.decided(self.forward(inputs), where))

    def use(self, threads: int) -> None:
        if threads not in self._sessions:
            self._sessions[threads] = _openvino_request(self._file, threads)
        self._session = self._sessions[threads]


def openvino_faults(asked: bool) -> list[str]:
    """Whether OpenVINO is asked for and not installed."""
    if not asked or importlib.util.find_spec("openvino"):
        return []
    return [
        "benchmark.openvino = true: OpenVINO is not installed; `pip install -r requirements/openvino.lock`, "
        "or say false"
    ]


def _openvino_request(file: Path, threads: int) -> Any:
    """One stream with so many threads, bound to no core, as sessions of onnxruntime are.

    Raises:
        ParamsError: OpenVINO is not installed.
    """
    if faults := openvino_faults(True):
        raise ParamsError("params.yaml", *faults)
    import openvino

    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(file, "CPU", options).create_infer_request()


FORMS: dict[str, Any] = {"linear": Linear, "torch": Torch, "onnx": Onnx, "openvino": OpenVino}
FORMS_THAT_WRITE: dict[str, Any] = {"linear": Linear, "torch": WritingInTorch, "onnx": WritingShipped}


def open_variant(source: Source, setting: Setting) -> Variant:
    """The variant, in the form that its kind has."""
    forms = FORMS_THAT_WRITE if setting.load_kind().generation else FORMS
    variant: Variant = forms[source.form](source, setting)
    return variant


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def lengthened(values: np.ndarray, length: int) -> np.ndarray:
    """Numbers of pieces (n, l), filled with zeros to (n, length).

    What is no such table, as pixels, has its size already.
    """
    if values.ndim != 2 or values.shape[1] >= length:
        return values
    return np.pad(values, ((0, 0), (0, length - values.shape[1])))
