"""The stage on a tiny random BERT and a few rows.

What it writes, that it is the same twice, and that missed gates do not stop it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.benchmark import gates, grid, summary
from tasks.benchmark import stage as benchmark
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.kind import load_kind

KIND = "text/classification"
VARIANTS = ["baseline", "teacher", "teacher_int8", "pruned", "distilled", "final"]
WORDS = {
    "体育|球": "match goal team coach cup",
    "tech": "chip phone code web robot",
    "money": "bank stock price trade tax",
}
INPUT_SIZE = 16


def rows(number: int) -> list[dict[str, str]]:
    """Two to five words of the label's own, so that a linear model is always right."""
    labels = [sorted(WORDS)[n % 3] for n in range(number)]
    texts = [
        " ".join((WORDS[label].split() * 3)[n % 5 : n % 5 + 2 + n % 4]) for n, label in enumerate(labels)
    ]
    return [
        {"id": str(n), "text": text, "label": label}
        for n, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


def checkpoint_in(folder: Path, seed: int, layers: int) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *" ".join(WORDS.values()).split()]
    backend = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))  # noqa: S106
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names: dict[str, Any] = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
    }
    PreTrainedTokenizerFast(tokenizer_object=backend, **names).save_pretrained(folder)
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": 32,
        "num_labels": 3,
    }
    config = BertConfig(vocab_size=len(pieces), num_hidden_layers=layers, **sizes)
    BertForSequenceClassification(config).save_pretrained(folder)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> benchmark.Inputs:
    import torch

    from tasks.export import onnx_graph, package
    from tasks.models import checkpoint

    home = tmp_path_factory.mktemp("run")
    ingest = home / "ingest"
    ingest.mkdir()
    (ingest / "labels.json").write_text(json.dumps(sorted(WORDS)), encoding="utf-8")
    for split, number in {"train": 60, "validation": 12, "test": 45}.items():
        pq.write_table(pa.Table.from_pylist(rows(number)), ingest / f"{split}.parquet")
    for name, (seed, layers) in {"teacher": (0, 2), "pruned": (1, 1), "distilled": (2, 1)}.items():
        checkpoint_in(home / name, seed, layers)
    final, kind = home / "final", load_kind(KIND)
    tokenizer = fast_tokenizer.load(home / "distilled")
    model = checkpoint.load_model(home / "distilled", kind, torch.device("cpu"), attn_implementation="eager")
    features = kind.model.encode(tokenizer, rows(2), sorted(WORDS), INPUT_SIZE)
    onnx_graph.export(model, kind, tokenizer, features, home / "float.onnx")
    facts = {"kind": KIND, "input_size": INPUT_SIZE, "format": "int8-dynamic", "calibration_rows": 0}
    package.write_preprocessing(final, kind, tokenizer, sorted(WORDS), facts)
    onnx_graph.convert(home / "float.onnx", final / "model.onnx", "int8-dynamic", [])
    return benchmark.Inputs(ingest, home / "teacher", home / "pruned", home / "distilled", final)


def run(inputs: benchmark.Inputs, folder: Path, **changed: Any) -> Any:
    promises = benchmark.Gates(min_quality_ratio=2.0, min_speedup=0.0, max_bytes=10_000_000)
    values: dict[str, Any] = {
        "kind": KIND,
        "seed": 0,
        "threads": 1,
        "device": "cpu",
        "input_size": INPUT_SIZE,
        "split": "test",
    }
    params = benchmark.Params(
        **{
            **values,
            "resamples": 200,
            "latency_inputs": 4,
            "rounds": 3,
            "batch": 4,
            "openvino": False,
            "gates": promises,
            **changed,
        }
    )
    (folder / "scratch").mkdir(parents=True)
    metrics = benchmark.run(inputs, params, folder, folder / "scratch")
    for name, content in {"metrics.json": metrics.figures, "timings.json": metrics.timings}.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return metrics


@pytest.mark.slow
def test_benchmark_measures_every_variant_and_is_the_same_twice(
    inputs: benchmark.Inputs, tmp_path: Path
) -> None:
    first, second = run(inputs, tmp_path / "first"), run(inputs, tmp_path / "second")
    assert grid.variants(first.figures) == VARIANTS
    assert first.figures == second.figures
    for name in (
        "out/predictions.parquet",
        "plots/confusion.csv",
        "plots/reliability.csv",
        "report/confusion.png",
        "report/reliability.png",
    ):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()

    figures, timings = first.figures, first.timings
    assert figures["teacher"]["agreement"] == 1
    assert figures["baseline"]["macro_f1"] == 1  # the words give the label away
    assert figures["baseline"]["parameters"] * 8 < figures["baseline"]["bytes"] < 20_000
    assert figures["final"]["size_ratio"] == pytest.approx(
        figures["teacher"]["bytes"] / figures["final"]["bytes"], abs=1e-6
    )
    assert (
        figures["final"]["parameters"]
        == figures["distilled"]["parameters"]
        < figures["teacher"]["parameters"]
    )
    assert all(
        figures[name]["macro_f1_low"] <= figures[name]["macro_f1"] <= figures[name]["macro_f1_high"]
        for name in VARIANTS
    )
    assert timings["teacher"]["speedup"] == 1
    assert timings["final"]["peak_rss_mb"] < timings["teacher"]["peak_rss_mb"] / 2  # no torch in its process

    predictions = pq.read_table(tmp_path / "first/out/predictions.parquet").to_pylist()
    assert [row["id"] for row in predictions] == [str(n) for n in range(45)]
    assert all(sum(row["final"]) == pytest.approx(1, abs=1e-5) for row in predictions)

    passed, lines = gates.verdict(tmp_path / "first")
    assert not passed  # twice the teacher's quality was asked: recorded, not raised
    assert [line.split(":")[1].strip() for line in lines] == ["NOT PASSED", "passed", "passed", gates.BELOW]
    text = (tmp_path / "first/report/report.md").read_text(encoding="utf-8")
    assert "体育\\|球" in text
    assert all(f"| {name} |" in text for name in VARIANTS)
    assert "used the test split up" in text
    assert (
        f"**NOT all gates passed. The model is {gates.BELOW}.**" in text
    )  # untrained, and the words give the label away
    assert f"NOT all gates passed. The model is {gates.BELOW}." in summary.of(tmp_path, Path("first"))
