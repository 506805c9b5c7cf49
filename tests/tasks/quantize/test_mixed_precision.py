"""The operators that int8 hurts most stay in float, and no more of them than are needed."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file, save_file

from tasks.core.errors import ModelError
from tasks.export import onnx_graph, package
from tasks.quantize import mixed_precision
from tasks.quantize import stage as quantize
from tests.tasks import stage
from tests.tasks.conftest import Run

WIDTH = 64
ROWS = 200


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Three products in a row.

    One row of `coarse` is so large that 8 bits leave nothing of the others, and is multiplied by nought.
    """
    draw = np.random.default_rng(0)
    weights = {
        name: draw.normal(size=(WIDTH, WIDTH)).astype(np.float32) / 8 for name in ("fine", "coarse", "last")
    }
    weights["fine"][:, 0], weights["coarse"][0] = 0, 100.0
    names = ["given", "a", "b", "logits"]
    nodes = [
        helper.make_node("MatMul", [names[at], name], [names[at + 1]], name=name)
        for at, name in enumerate(weights)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("given", "logits")
    ]
    tables = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:], tables)
    file = tmp_path / "float.onnx"
    onnx_format.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def trial_of(graph: Path, number_format: str = "int8-dynamic") -> mixed_precision.Trial:
    given = np.random.default_rng(1).normal(size=(ROWS, WIDTH)).astype(np.float32)

    def ask(file: Path) -> np.ndarray:
        logits: np.ndarray = package.session(file, threads=1).run(["logits"], {"given": given})[0]
        return logits

    def write(file: Path, spared: Collection[str], only: Collection[str]) -> None:
        onnx_graph.convert(graph, file, number_format, [{"given": given}], spared, only)

    return mixed_precision.Trial(write, ask, ask(graph))


def in_float(file: Path) -> set[str]:
    return {node.name for node in onnx_format.load(file).graph.node if node.op_type == "MatMul"}


def test_worst_operator_stays_in_float_and_no_other(graph: Path, tmp_path: Path) -> None:
    trial, file = trial_of(graph), tmp_path / "int8.onnx"
    operators = onnx_graph.operators(graph, "int8-dynamic")
    assert operators == ["fine", "coarse", "last"]
    assert mixed_precision.ship(file, trial, operators, 0, 0.8).agreement < 0.8
    assert in_float(file) == set()
    shipped = mixed_precision.ship(file, trial, operators, 3, 0.8)
    assert shipped.agreement == trial.agreement(file) >= 0.8
    assert list(shipped.spared) == ["coarse"]
    assert in_float(file) == {"coarse"}
    assert shipped.spared["coarse"] > 3 * max(
        trial.harm(tmp_path / "one.onnx", name) for name in ("fine", "last")
    )


def test_static_int8_spares_too(graph: Path, tmp_path: Path) -> None:
    trial, operators = trial_of(graph, "int8-static"), onnx_graph.operators(graph, "int8-static")
    shipped = mixed_precision.ship(tmp_path / "int8.onnx", trial, operators, 3, 0.8)
    assert list(shipped.spared) == ["coarse"]
    assert (
        shipped.agreement
        >= 0.8
        > mixed_precision.ship(tmp_path / "int8.onnx", trial, operators, 0, 0.8).agreement
    )


def test_limit_holds_when_the_agreement_is_out_of_reach(graph: Path, tmp_path: Path) -> None:
    shipped = mixed_precision.ship(
        tmp_path / "int8.onnx", trial_of(graph), onnx_graph.operators(graph, "int8-dynamic"), 2, 1.01
    )
    assert len(shipped.spared) == 2
    assert list(shipped.spared.values()) == sorted(shipped.spared.values(), reverse=True)
    assert in_float(tmp_path / "int8.onnx") == set(shipped.spared)


def test_nothing_is_spared_where_the_agreement_is_kept(graph: Path, tmp_path: Path) -> None:
    shipped = mixed_precision.ship(
        tmp_path / "int8.onnx", trial_of(graph), onnx_graph.operators(graph, "int8-dynamic"), 3, 0.0
    )
    assert shipped.spared == {}
    assert in_float(tmp_path / "int8.onnx") == set()


@pytest.fixture(scope="module")
def fragile(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student whose classifier adds the same to every logit by one large weight each.

    8 bits keep that one and none of the others.
    """
    folder = shutil.copytree(tiny_run.distill / "out", tmp_path_factory.mktemp("fragile") / "out")
    weights = load_file(folder / "model.safetensors")
    draw = np.random.default_rng(0)
    for name in weights:
        noise = draw.normal(size=weights[name].shape).astype(np.float32)
        weights[name] += noise * (1.0 if name == "classifier.weight" else 0.05)
    weights["classifier.weight"][:, 0] = 1000.0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("graph", ["exported", "fused"])
def test_stage_spares_what_it_must_and_tells_it(
    tiny_run: Run, fragile: Path, tmp_path: Path, graph: str
) -> None:
    inputs = quantize.Inputs(tiny_run.ingest, fragile)
    given: dict[str, Any] = {"graph": graph, "format": "int8-dynamic", "max_difference": 0.01}
    with pytest.raises(
        ModelError, match=r"let some operators stay in float \(quantize.max_float_operators\)"
    ):
        stage.run("quantize", inputs, tmp_path / "none", **given, min_agreement=1.0, max_float_operators=0)
    figures = stage.run(
        "quantize", inputs, tmp_path / "some", **given, min_agreement=1.0, max_float_operators=100
    ).figures
    assert figures["agreement"] == 1.0
    assert next(iter(figures["float_operators"])) == "/model/classifier/Gemm"
    again = stage.run(
        "quantize", inputs, tmp_path / "again", **given, min_agreement=1.0, max_float_operators=100
    ).figures
    assert again == figures
    assert stage.contents(tmp_path / "again" / "out") == stage.contents(tmp_path / "some" / "out")


@pytest.fixture(scope="module")
def fragile_twice(fragile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pooler has a large weight, too, for a channel that is always 0.

    It changes no answer, and 8 bits keep none of the pooler's other weights.
    """
    folder = shutil.copytree(fragile, tmp_path_factory.mktemp("twice") / "out")
    weights = load_file(folder / "model.safetensors")
    layers = [name for name in weights if name.endswith(".output.LayerNorm.weight")]
    last = max(name for name in layers if "attention" not in name)
    for name in (last, last.replace("weight", "bias")):
        weights[name][0] = 0.0
    (pooler,) = (name for name in weights if name.endswith("pooler.dense.weight"))
    weights[pooler] = np.random.default_rng(1).normal(size=weights[pooler].shape).astype(np.float32)
    weights[pooler][:, 0] = 1000.0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_limit_that_is_too_low_is_told_with_what_it_spared(
    tiny_run: Run, fragile_twice: Path, tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "format": "int8-dynamic",
        "max_difference": 0.01,
        "min_agreement": 1.0,
        "max_float_operators": 1,
    }
    said = r"on 0\.\d+ of 25 decisions .*even with 1 operators in float \(.+\), at least 1.0 is asked for"
    with pytest.raises(ModelError, match=said):
        stage.run("quantize", quantize.Inputs(tiny_run.ingest, fragile_twice), tmp_path, **given)
