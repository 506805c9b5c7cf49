"""The shippable folder.

It answers as the student does, stands alone, and a file that does not is refused with the figures.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import unicodedata
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from tasks.core.errors import ModelError, ParamsError
from tasks.kinds.base import fast_tokenizer
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import Run

LIMITS = {"max_difference": 0.0001, "min_agreement": 0.9}


@pytest.fixture(scope="module")
def shipped(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("quantize")
    stage.run(
        "quantize",
        quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"),
        home,
        **LIMITS,
        format="int8-dynamic",
    )
    return home / "out"


def test_folder_holds_all_that_serving_needs(shipped: Path, tiny_run: Run) -> None:
    assert sorted(path.name for path in shipped.iterdir()) == [
        "labels.json",
        "model.onnx",
        "preprocessing.json",
        "tokenizer.json",
    ]
    assert json.loads((shipped / "labels.json").read_text()) == tiny.LABELS
    student = tiny_run.distill / "out" / "model.safetensors"
    assert (shipped / "model.onnx").stat().st_size < 0.8 * student.stat().st_size


@pytest.fixture
def asked(shipped: Path, tmp_path: Path) -> Path:
    """A project whose run bbc has a shipped model."""
    shutil.copy(stage.ROOT / "params.yaml", tmp_path)
    shutil.copytree(shipped, tmp_path / "data" / "bbc" / "quantize" / "out")
    return tmp_path


def predict(project: Path, *inputs: bytes, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable.encode(), b"-m", b"tasks", b"predict", b"bbc", *inputs]
    environment = {**os.environ, "PYTHONPATH": str(stage.ROOT)}
    return subprocess.run(
        command, cwd=project, env=environment, input=stdin, capture_output=True, check=False
    )


def test_predict_names_the_line_that_is_no_utf8(asked: Path) -> None:
    lines = [
        "\ufeffshares fell".encode(),
        b"",
        b"nul \0 sign\r",
        b"long " * 30_000,
        "Caf\u00e9".encode("latin-1"),
        b"never read",
    ]
    done = predict(asked, stdin=b"\n".join(lines))
    assert (done.returncode, done.stdout.count(b"\n"), done.stderr.count(b"\n")) == (2, 4, 1)
    assert done.stderr.startswith(
        b"standard input, line 5 ('Caf\\udce9'): no text: sign 4 is no character of UTF-8"
    )
    assert done.stdout.splitlines()[0].endswith(b"\tshares fell")
    assert done.stdout.count(b"\r") == 0
    named = predict(asked, b"fine", "Caf\u00e9 profits".encode("latin-1"))
    assert (named.returncode, named.stdout.count(b"\n")) == (2, 1)
    assert named.stderr.startswith(b"INPUT 2 ('Caf\\udce9 profits'): no text")


def test_predict_ends_when_its_reader_does(asked: Path) -> None:
    command = (
        f"yes 'shares fell' | head -2000 | {shlex.quote(sys.executable)} -m tasks predict bbc | head "
        f"-1; echo ${{PIPESTATUS[2]}}"
    )
    environment = {**os.environ, "PYTHONPATH": str(stage.ROOT)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=asked, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.splitlines()[-1], done.stderr) == ("0", "")


def test_decomposed_text_is_read_as_composed(shipped: Path) -> None:
    tokenizer = Tokenizer.from_file(str(shipped / "tokenizer.json"))
    for text in ("caf\u00e9", "Ti\u1ebfng", "\ud55c\uad6d", "\u304c"):
        assert tokenizer.encode(unicodedata.normalize("NFD", text)).ids == tokenizer.encode(text).ids


def test_same_input_same_bytes(shipped: Path, tiny_run: Run, tmp_path: Path) -> None:
    stage.run(
        "quantize",
        quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"),
        tmp_path,
        **LIMITS,
        format="int8-dynamic",
    )
    assert stage.contents(tmp_path / "out") == stage.contents(shipped)


@pytest.mark.parametrize(("batch", "length"), [(1, 3), (1, 32), (7, 11)])
def test_float_graph_equals_torch_for_any_batch_and_length(
    tiny_run: Run, tmp_path: Path, batch: int, length: int
) -> None:
    import torch

    from tasks.export import package
    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint

    stage.run(
        "quantize",
        quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"),
        tmp_path,
        **LIMITS,
        format="fp32",
    )
    model = checkpoint.load_model(
        tiny_run.distill / "out", load_kind("text/classification"), torch.device("cpu")
    )
    ids = torch.randint(5, 800, (batch, length), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[-1, length // 2 :] = 0
    with torch.inference_mode():
        wanted = model(input_ids=ids, attention_mask=mask).logits.numpy()
    graph = package.session(tmp_path / "out" / "model.onnx", threads=1)
    got = graph.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
    np.testing.assert_allclose(got, wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_difference": 1e-12, "min_agreement": 0.0}, [r"differs by \d\.\d\de-\d\d", "max_difference"]),
        (
            {"max_difference": 0.0001, "min_agreement": 1.0},
            [r"on 0\.\d{4} of 25 decisions on validation rows", "min_agreement", "fp32"],
        ),
    ],
)
def test_graph_that_does_something_else_is_refused_with_the_figures(
    tiny_run: Run, tmp_path: Path, limits: dict[str, float], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.export import onnx_graph

    quantized = onnx_graph.convert

    def spoilt(float_file: Path, *rest: Any) -> None:
        """A real graph of other weights stands in for one that lost too much."""
        import torch

        from tasks.kinds.base.kind import load_kind
        from tasks.models import checkpoint

        kind, tokenizer = load_kind("text/classification"), fast_tokenizer.load(tiny_run.distill / "out")
        model = checkpoint.load_model(
            tiny_run.distill / "out", kind, torch.device("cpu"), attn_implementation="eager"
        )
        with torch.no_grad():
            model.classifier.weight.neg_()
        onnx_graph.export(
            model, kind, tokenizer, kind.model.encode(tokenizer, tiny.rows(2), tiny.LABELS, 32), float_file
        )
        quantized(float_file, *rest)

    monkeypatch.setattr(onnx_graph, "convert", spoilt)
    with pytest.raises(ModelError) as caught:
        stage.run(
            "quantize",
            quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"),
            tmp_path,
            **limits,
            format="int8-dynamic",
        )
    assert all(re.search(part, str(caught.value)) for part in said), str(caught.value)


@pytest.mark.slow
def test_six_lines_of_the_readme_answer_in_a_bare_environment(shipped: Path, tmp_path: Path) -> None:
    """Nothing but onnxruntime and tokenizers is installed there."""
    readme = (stage.ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"<!-- serve -->\n```python\n(.*?)```", readme, re.DOTALL)
    assert code is not None
    assert len([line for line in code.group(1).splitlines() if line]) == 6
    text = tiny.rows(1)[0]["text"]
    script = (
        code.group(1)
        .replace("data/bbc/quantize/out", str(shipped))
        .replace("Film stars gather for the Oscars", text)
    )
    assert text in script
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / "bin" / "python"
    pins = [
        line
        for line in (stage.ROOT / "requirements" / "tasks.lock").read_text().split()
        if re.match(r"(onnxruntime|tokenizers|numpy)==", line)
    ]
    subprocess.run([python, "-m", "pip", "install", "-q", *pins], check=True, capture_output=True)
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True, check=False)
    assert missing.returncode != 0
    done = subprocess.run([python, "-I", "-c", script], cwd="/", capture_output=True, text=True, check=True)
    from tasks.export import package

    label = package.load(shipped, "text/classification")(text).split("\t")[0]
    assert done.stdout.split()[0] == label


@pytest.mark.parametrize("number_format", ["int8-dynamic", "fp16", "bf16"])
def test_fused_graph_ships_in_every_format_that_keeps_it_whole(
    tiny_run: Run, tmp_path: Path, number_format: str
) -> None:
    given = {**LIMITS, "graph": "fused", "format": number_format}
    figures = stage.run(
        "quantize", quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"), tmp_path, **given
    ).figures
    told = json.loads((tmp_path / "out" / "preprocessing.json").read_text())
    assert (told["graph"], told["format"]) == ("fused", number_format)
    assert figures["agreement"] >= 0.9
    student = (tiny_run.distill / "out" / "model.safetensors").stat().st_size
    assert (tmp_path / "out" / "model.onnx").stat().st_size < 0.6 * student


@pytest.mark.parametrize("graph", ["exported", "fused"])
@pytest.mark.parametrize("number_format", ["int8-dynamic", "fp16", "bf16", "fp32"])
def test_words_in_four_bits_go_with_every_format_and_graph(
    tiny_run: Run, tmp_path: Path, graph: str, number_format: str
) -> None:
    read = quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out")
    given = {"max_difference": 0.0001, "min_agreement": 0.8, "graph": graph, "format": number_format}
    plain, packed = (
        stage.run("quantize", read, tmp_path / embeddings, **given, embeddings=embeddings).figures
        for embeddings in ("as_format", "int4")
    )
    assert json.loads((tmp_path / "int4" / "out" / "preprocessing.json").read_text())["embeddings"] == "int4"
    assert packed["bytes"] < plain["bytes"] - 5000  # the table is small here
    assert packed["float_difference"] == plain["float_difference"]


def test_faults_of_a_static_graph_are_told_at_once(tmp_path: Path) -> None:
    given = {
        **LIMITS,
        "format": "int8-static",
        "calibration_rows": None,
        "graph": "fused",
        "embeddings": "int4",
    }
    with pytest.raises(
        ParamsError,
        match=r"3 faults\n.*calibration_rows = null.*\n.*graph = fused: .*dynamic.*\n.*embeddings = int4",
    ):
        stage.run("quantize", quantize.Inputs(tmp_path, tmp_path), tmp_path, **given)


def test_static_int8_of_texts_ships_too(tiny_run: Run, tmp_path: Path) -> None:
    """It has no convolution to leave in float."""
    limits = {
        "graph": "exported",
        "format": "int8-static",
        "calibration_rows": 20,
        "max_difference": 1e-4,
        "min_agreement": 0.5,
    }
    stage.run("quantize", quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"), tmp_path, **limits)
    assert json.loads((tmp_path / "out" / "preprocessing.json").read_text())["format"] == "int8-static"


def test_long_texts_are_cut_as_in_training(shipped: Path) -> None:
    from tasks.kinds.base.kind import load_kind

    text = " ".join(row["text"] for row in tiny.rows(30))
    request, where = load_kind("text/classification").package.request(shipped)(text)
    assert where is None
    assert request["input_ids"].shape == (1, 32)


def test_predict_speaks_json_too(asked: Path) -> None:
    code = "import sys; from tasks.launch.results import PREDICT; sys.exit(PREDICT.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "bbc", "--json", "shares \u201cfell\u201d", "rain"],
        cwd=asked,
        env={**os.environ, "PYTHONPATH": str(stage.ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.stderr == b""
    first, second = map(json.loads, done.stdout.decode().splitlines())
    assert (first["input"], second["input"]) == ("shares \u201cfell\u201d", "rain")
    assert first["best"][first["label"]] == first["probability"]
    assert list(first["best"].values()) == sorted(first["best"].values(), reverse=True)
