"""The forms of what peers make: any ONNX graph, and OpenVINO's, served with the tokenizer and the session
that our own graphs get; and those that answer by code of their own (runtimes.py).

`python -m benchmarks.peers.forms` measures the memory of one of them, as `python -m tasks.benchmark.memory`
does that of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.runtimes import RUNTIMES, OwnRuntime
from tasks.benchmark import memory
from tasks.benchmark.forms import variants
from tasks.benchmark.forms.variants import Setting, Source, lengthened, size_of
from tasks.core.progress import track
from tasks.export import package
from tasks.export.package import softmax
from tasks.kinds.base.kind import Row

MODULE = "benchmarks.peers.forms"
LOGITS = "logits"
Inputs = Mapping[str, np.ndarray]
Graph = Callable[[Inputs], np.ndarray]


def onnx_graph(folder: Path, threads: int) -> Graph:
    """A graph whose inputs are a BERT's, by their usual names.

    Those that a request lacks, token types, are zeros.
    """
    session = package.session(folder / "model.onnx", threads)
    wanted = [one.name for one in session.get_inputs()]
    outputs = [one.name for one in session.get_outputs()]
    answers = [LOGITS if LOGITS in outputs else outputs[0]]

    def run(inputs: Inputs) -> np.ndarray:
        given = {
            name: inputs[name] if name in inputs else np.zeros_like(inputs["input_ids"]) for name in wanted
        }
        logits: np.ndarray = session.run(answers, given)[0]
        return logits

    return run


def openvino_graph(folder: Path, threads: int) -> Graph:
    """Compiled for the shortest answer to one request at a time; inputs and outputs are not copied."""
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(folder / "model.xml", "CPU", options)
    request, answer = compiled.create_infer_request(), compiled.outputs[0]

    def run(inputs: Inputs) -> np.ndarray:
        logits: np.ndarray = request.infer(inputs, share_inputs=True, share_outputs=True)[answer]
        return logits

    return run


class Served:
    """A peer's folder, opened by a runtime. Rows are answered one by one, as ours are."""

    def __init__(self, runtime: Callable[[Path, int], Graph], source: Source, setting: Setting) -> None:
        kind = setting.load_kind()
        self.name, self.parameters, self.bytes = source.name, None, size_of(source.folder)
        self._request, self._raw_input = kind.package.request(source.folder), kind.package.raw_input
        self._opened = functools.cache(functools.partial(runtime, source.folder))
        self.use(1)

    def predict(self, rows: Sequence[Row]) -> np.ndarray:
        return np.concatenate([self.answer(row) for row in track(rows, label=self.name)])

    def answer(self, row: Row) -> np.ndarray:
        inputs, _ = self._request(self._raw_input(row))
        return softmax(self.forward(inputs))

    def prepare(self, rows: Sequence[Row], length: int | None) -> dict[str, np.ndarray]:
        requests = [self._request(self._raw_input(row))[0] for row in rows]
        longest = length or max(one["input_ids"].shape[1] for one in requests)
        return {
            name: np.concatenate([lengthened(one[name], longest) for one in requests]) for name in requests[0]
        }

    def forward(self, batch: Inputs) -> np.ndarray:
        return self._graph(batch)

    def use(self, threads: int) -> None:
        self._graph = self._opened(threads)


variants.FORMS |= {
    "peer_onnx": functools.partial(Served, onnx_graph),
    "peer_openvino": functools.partial(Served, openvino_graph),
    **{name: functools.partial(OwnRuntime, runtime) for name, runtime in RUNTIMES.items()},
}

if __name__ == "__main__":
    memory.main()
