"""Texts longer than the model reads: the same tokens in training, in the folder that ships, and in the lines
of docs/ship.md.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core import tables
from tasks.distill import stage as distill
from tasks.export import package
from tasks.finetune import stage as finetune
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.kind import load_kind
from tasks.kinds.text.common import long_texts
from tasks.models import checkpoint, inference
from tasks.pretrain import stage as pretrain
from tasks.pretrain.locate import content_hash
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK

READ = ("head_tail", "windows")
KIND = load_kind("text/classification")
SIZE = 32


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(ids=st.lists(st.integers(0, 99), max_size=60), most=st.integers(2, 40))
def test_both_ends_are_the_first_and_the_last_tokens(ids: list[int], most: int) -> None:
    found = list(long_texts.both_ends(ids, most))
    assert len(found) == min(len(ids), most)
    if len(ids) > most:
        half = most // 2
        assert (found[: most - half], found[most - half :]) == (ids[: most - half], ids[len(ids) - half :])


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    ids=st.lists(st.integers(0, 99), min_size=2, max_size=200),
    most=st.integers(4, 40),
    around=st.tuples(st.integers(0, 1), st.integers(0, 1)),
)
def test_windows_are_spread_over_the_text(ids: list[int], most: int, around: tuple[int, int]) -> None:
    ids = [*range(len(ids))]
    found = long_texts.windows(ids, most, *around)
    if len(ids) <= most:
        assert found == [ids]
        return
    before, behind = around
    assert {len(part) for part in found} == {most}
    assert all(
        (part[:before], part[most - behind :]) == (ids[:before], ids[len(ids) - behind :]) for part in found
    )
    inner = [part[before : most - behind] for part in found]
    assert (inner[0][0], inner[-1][-1]) == (before, len(ids) - behind - 1)
    assert len(found) <= long_texts.MOST_WINDOWS
    if len(ids) <= long_texts.MOST_WINDOWS * (most - before - behind):
        assert {*ids} == {piece for part in found for piece in part}  # nothing between them is left out


def long_rows(folder: Path) -> Path:
    """What ingest leaves, of texts far longer than `SIZE` tokens."""
    tiny.ingest_out(folder)
    for split in ("train", "validation", "test"):
        rows = tables.read(folder / f"{split}.parquet")
        for at, row in enumerate(rows):
            row["text"] = (
                " ".join(rows[(at + n) % len(rows)]["text"] for n in range(1, 9)) + f" {row['text']}"
            )
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
    return folder


@pytest.fixture(scope="module", params=READ)
def made(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A tiny run whose model reads more than the begin of a text, up to the folder that ships."""
    home = tmp_path_factory.mktemp(request.param)
    ingest, source = long_rows(home / "ingest"), tiny.checkpoint_in(home / "models" / "tiny")
    given_source = {"folder": "models/tiny", "sha256": content_hash(source)}
    shared: dict[str, Any] = {"options": {"long_texts": request.param}, "input_size": SIZE}
    stage.run("pretrain", pretrain.Inputs(ingest, home), home / "pretrain", source=given_source, **shared)
    taught = finetune.Inputs(ingest, home / "pretrain" / "out")
    stage.run("finetune", taught, home / "finetune", **{**QUICK, "epochs": 1}, pool_outputs=0, **shared)
    sizes = {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800}
    cut = prune.Inputs(ingest, home / "finetune" / "out")
    measured = {"measured": {"batches": 1, "batch_size": 4}}
    stage.run("prune", cut, home / "prune", **sizes, **measured, **shared)
    limits = {"graph": "exported", "format": "fp32", "min_agreement": 0.9}
    stage.run("quantize", quantize.Inputs(ingest, home / "prune" / "out"), home, **limits, **shared)
    return home


def _read(made: Path) -> str:
    return next(read for read in READ if made.name.startswith(read))


def test_the_tokenizer_knows_in_every_checkpoint(made: Path) -> None:
    for folder in ("pretrain", "finetune", "prune"):
        assert long_texts.read_by(fast_tokenizer.load(made / folder / "out")) == _read(made)
    assert long_texts.read_by(fast_tokenizer.load(made / "models" / "tiny")) == "head"
    assert json.loads((made / "out" / "preprocessing.json").read_text())["long_texts"] == _read(made)


def test_the_folder_reads_what_was_read_in_training(made: Path) -> None:
    rows, labels = tables.read(made / "ingest" / "test.parquet"), checkpoint.label_names(made / "ingest")
    processor = KIND.model.load_processor(made / "prune" / "out")
    features = KIND.model.encode(processor, rows, labels, SIZE)
    request = KIND.package.request(made / "out")
    asked = [request(row["text"])[0]["input_ids"].tolist() for row in rows]
    assert [[piece for part in parts for piece in part] for parts in asked] == [
        list(one["input_ids"]) for one in features
    ]
    assert {len(part) for parts in asked for part in parts} == {SIZE}
    whole = processor(rows[0]["text"])["input_ids"]
    if _read(made) == "head_tail":
        assert asked[0] == [[*whole[:16], *whole[-16:]]]
    else:
        assert len(asked[0]) > 1
        assert (asked[0][0][:-1], asked[0][-1][1:]) == (whole[: SIZE - 1], whole[1 - SIZE :])
    model = checkpoint.load_model(made / "prune" / "out", KIND, torch.device("cpu"))
    wanted = inference.logits(model, KIND, processor, features, 8)
    graph = package.session(made / "out" / "model.onnx", 1)
    found = np.concatenate([package.logits(graph, request, row["text"]) for row in rows])
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_teachers_relations_within_the_parts_are_imitated(made: Path, tmp_path: Path) -> None:
    shared: dict[str, Any] = {"options": {"long_texts": _read(made)}, "input_size": SIZE}
    folders = [made / "finetune" / name for name in ("outputs", "out")]
    inputs = distill.Inputs(made / "ingest", made / "prune" / "out", *folders)
    found = []
    for cached in (False, True):
        relations = {"weight": 1.0, "layer": 1, "heads": 2, "cached": cached}
        values = {**QUICK, "epochs": 1, "pool": 0, "repeats": 1, "relations": relations}
        made_of = stage.run("distill", inputs, tmp_path / str(cached), **values, **shared)
        found.append(made_of.figures["validation"]["divergence"])
    assert found[0] == pytest.approx(found[1], abs=0.01)  # cached ones are of half precision


@pytest.mark.parametrize("repeated", [1, 3, 400])
def test_the_lines_of_the_manual_answer_alike(made: Path, tmp_path: Path, repeated: int) -> None:
    text = " ".join(row["text"] for row in tiny.rows(6)) * repeated
    shutil.copytree(made / "out", tmp_path / "out")
    manual = (stage.ROOT / "docs" / "ship.md").read_text(encoding="utf-8")
    code = re.search(r"<!-- serve text/classification -->\n```python\n(.*?)```", manual, re.DOTALL)
    assert code is not None
    script = code[1].replace("data/bbc/quantize/out", str(tmp_path / "out"))
    script = script.replace('"Film stars gather for the Oscars"', repr(text))
    without = "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'tasks']))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", without + script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == package.load(made / "out", "text/classification")(text).split("\t")[0]


def test_the_begin_is_read_as_before_and_leaves_no_trace(tmp_path: Path) -> None:
    source = tiny.checkpoint_in(tmp_path / "tiny")
    tokenizer = fast_tokenizer.load(source)
    long_texts.keep(tokenizer, long_texts.TextOptions(long_texts="head_tail"))
    long_texts.keep(tokenizer, long_texts.TextOptions(long_texts="head"))
    assert (long_texts.KEY not in tokenizer.init_kwargs, long_texts.facts(tokenizer)) == (True, {})
    text = " ".join(row["text"] for row in tiny.rows(30))
    (read,) = KIND.model.encode(tokenizer, [{"text": text}], [], SIZE)
    whole = tokenizer(text)["input_ids"]
    assert list(read["input_ids"]) == [*whole[: SIZE - 1], whole[-1]]
