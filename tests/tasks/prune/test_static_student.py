"""A student of static embeddings, tiny, from the teacher to the folder that ships."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.core.errors import ModelError, ParamsError
from tasks.distill import stage as distill
from tasks.export import package
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint, inference
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import Run

KIND = load_kind("text/classification")
NO_LAYERS = dict.fromkeys(("layers", "hidden", "ffn", "layers_by", "importance", "measured"))
STATIC = {**NO_LAYERS, "vocabulary": 800, "static": {"width": 16, "hidden": 24}}
LEARNING = {
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 0.01,
    "pool": 30,
    "repeats": 10,
    "label_weight": 1.0,
}
"""From the labels: the tiny teacher has little to say."""
SHIPPED = {
    "graph": "exported",
    "format": "fp16",
    "embeddings": "int8",
    "max_difference": 1e-4,
    "min_agreement": 0.9,
}
TEXTS = [row["text"] for row in tiny.rows(8)]
BARE = """
import sys
from transformers import AutoModelForSequenceClassification
load = AutoModelForSequenceClassification.from_pretrained
try:
    load(sys.argv[1])
except ValueError as error:
    print(error)
sys.path.insert(0, sys.argv[2])
import tasks.models.static_embeddings
print(type(load(sys.argv[1])).__name__)
"""


@pytest.fixture(scope="module")
def static(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what each stage leaves."""
    home = tmp_path_factory.mktemp("static")
    stage.run("prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), home / "prune", **STATIC)
    learnt_from = (tiny_run.finetune / "outputs", tiny_run.finetune / "out")
    stage.run(
        "distill",
        distill.Inputs(tiny_run.ingest, home / "prune" / "out", *learnt_from),
        home / "distill",
        **LEARNING,
    )
    stage.run(
        "quantize", quantize.Inputs(tiny_run.ingest, home / "distill" / "out"), home / "quantize", **SHIPPED
    )
    return home


def model_in(folder: Path) -> Any:
    return checkpoint.load_model(folder, KIND, torch.device("cpu"), attn_implementation="eager")


def logits(folder: Path, texts: list[str]) -> np.ndarray:
    processor = KIND.model.load_processor(folder)
    features = KIND.model.encode(processor, [{"text": text} for text in texts], [], 32)
    return inference.logits(model_in(folder), KIND, processor, features, len(texts))


def shipped_logits(folder: Path, texts: list[str]) -> np.ndarray:
    graph, request = package.session(folder / package.GRAPH, threads=1), KIND.package.request(folder)
    return np.concatenate([package.logits(graph, request, text) for text in texts])


def test_it_has_the_sizes_asked_for(static: Path) -> None:
    config = json.loads((static / "distill" / "out" / "config.json").read_text())
    found = {name: config[name] for name in ("model_type", "vocab_size", "hidden_size", "intermediate_size")}
    assert found == {
        "model_type": "slipway_static",
        "vocab_size": 800,
        "hidden_size": 16,
        "intermediate_size": 24,
    }
    assert [config["id2label"][str(at)] for at in range(5)] == tiny.LABELS
    files = {path.name for path in (static / "distill" / "out").iterdir()}
    assert files == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def test_a_piece_begins_as_what_the_teacher_makes_of_it_alone(tiny_run: Run, tmp_path: Path) -> None:
    """Of all directions none is lost here, so that the distances between pieces are the teacher's."""
    everything = {**NO_LAYERS, "vocabulary": None, "static": {"width": 64, "hidden": 8}}
    stage.run("prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), tmp_path, **everything)
    teacher, student = (model_in(folder / "out") for folder in (tiny_run.finetune, tmp_path))
    processor = KIND.model.load_processor(tmp_path / "out")
    begun = student.get_input_embeddings().weight.detach()
    assert not begun[processor.pad_token_id].any()
    some = torch.arange(40, 80)
    ends = processor.cls_token_id, processor.sep_token_id
    alone = torch.stack([torch.tensor([ends[0], piece, ends[1]]) for piece in some.tolist()])
    with torch.inference_mode():
        states = teacher.base_model(input_ids=alone, attention_mask=torch.ones_like(alone)).last_hidden_state
    wanted = states.mean(1)
    rows = begun[some]
    lengths = rows.norm(dim=1) / (wanted - _mean_of_all(teacher, ends)).norm(dim=1)
    rows = rows / lengths[:, None]  # without the weights of the pieces
    torch.testing.assert_close(torch.cdist(rows, rows), torch.cdist(wanted, wanted), rtol=1e-3, atol=0.01)
    assert lengths.std() > 0.05 * lengths.mean()


def _mean_of_all(teacher: Any, ends: tuple[int, int]) -> torch.Tensor:
    pieces = torch.arange(teacher.config.vocab_size)
    alone = torch.stack([torch.full_like(pieces, ends[0]), pieces, torch.full_like(pieces, ends[1])], dim=1)
    with torch.inference_mode():
        states = teacher.base_model(input_ids=alone, attention_mask=torch.ones_like(alone))
    mean: torch.Tensor = states.last_hidden_state.mean(1).mean(0)
    return mean


def test_rare_pieces_weigh_more() -> None:
    from tasks.prune import static_student

    seen = [{"input_ids": [1, 2, 2]}, {"input_ids": [2, 3]}]
    weights = static_student._weights(seen, 6)
    assert weights[2] < weights[1] == weights[3] < weights[0] == weights[5]
    assert weights[1:4].mean() == pytest.approx(1)


def test_it_begins_with_nothing_and_learns(static: Path) -> None:
    before, after = (_figures(static / name / "out")["macro_f1"] for name in ("prune", "distill"))
    assert before < 0.4
    assert after > 0.9


def _figures(folder: Path) -> dict[str, float]:
    processor, rows = KIND.model.load_processor(folder), tiny.rows(60)
    features = KIND.model.encode(processor, rows, tiny.LABELS, 32)
    return inference.figures(model_in(folder), KIND, processor, features, tiny.LABELS, "fp32")


def test_what_ships_answers_as_it_does(static: Path) -> None:
    folder = static / "quantize" / "out"
    assert {path.name for path in folder.iterdir()} == {
        "labels.json",
        "model.onnx",
        "preprocessing.json",
        "tokenizer.json",
    }
    wanted = logits(static / "distill" / "out", TEXTS)
    assert wanted.std(axis=0).max() > 0.2
    np.testing.assert_allclose(shipped_logits(folder, TEXTS), wanted, atol=0.03)
    assert package.load(folder, "text/classification")(TEXTS[0]).endswith(TEXTS[0])


def test_what_is_padded_does_not_count_whatever_its_number(static: Path) -> None:
    graph = package.session(static / "quantize" / "out" / package.GRAPH, threads=1)
    ids = np.array([[2, 40, 41, 42, 3]])
    longer = np.array([[2, 40, 41, 42, 3, 50, 60], [2, 70, 71, 72, 73, 74, 3]])
    mask = np.array([[1, 1, 1, 1, 1, 0, 0], [1] * 7])
    (alone,) = graph.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})
    (batch,) = graph.run(["logits"], {"input_ids": longer, "attention_mask": mask})
    np.testing.assert_allclose(batch[:1], alone, atol=1e-5)
    assert np.abs(batch[1] - alone).max() > 0.01


def test_same_input_same_bytes(static: Path, tiny_run: Run, tmp_path: Path) -> None:
    stage.run("prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), tmp_path / "prune", **STATIC)
    read = quantize.Inputs(tiny_run.ingest, static / "distill" / "out")
    stage.run("quantize", read, tmp_path / "quantize", **SHIPPED)
    for name in ("prune", "quantize"):
        assert stage.contents(tmp_path / name / "out") == stage.contents(static / name / "out")


@pytest.mark.parametrize("number_format", ["int8-dynamic", "fp16", "fp32"])
@pytest.mark.parametrize("embeddings", ["as_format", "int8", "int4"])
def test_it_ships_in_every_form(
    static: Path, tiny_run: Run, tmp_path: Path, number_format: str, embeddings: str
) -> None:
    read = quantize.Inputs(tiny_run.ingest, static / "distill" / "out")
    for graph in ("exported", "fused"):
        how = {"graph": graph, "format": number_format, "embeddings": embeddings, "min_agreement": 0.7}
        figures = stage.run("quantize", read, tmp_path / graph, **{**SHIPPED, **how}).figures
        assert figures["float_difference"] < 1e-4


def test_alone_among_checkpoints_it_needs_our_module(static: Path) -> None:
    command = [sys.executable, "-I", "-c", BARE, str(static / "distill" / "out"), str(stage.ROOT)]
    told = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout
    refused, *_, loaded = told.splitlines()
    assert "slipway_static" in refused
    assert loaded == "StaticForSequenceClassification"


def test_values_of_layers_beside_it_are_told_at_once() -> None:
    from tasks.core import needs

    given = {**STATIC, "layers": 2, "importance": "taylor", "word_rank": 8}
    faults = needs.faults(stage.checked("prune", **given).needs())
    assert [fault.partition(":")[0] for fault in faults] == [
        "prune.layers = 2",
        "prune.word_rank = 8",
        "prune.importance = taylor",
    ]
    assert all("has no effect, as a static student has no layers; write " in fault for fault in faults)


def test_beside_it_nothing_of_layers_has_an_effect(static: Path, tiny_run: Run, tmp_path: Path) -> None:
    """A search tries such values together."""
    given = {**STATIC, "layers": 2, "hidden": 32, "word_rank": 8}
    stage.run("prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), tmp_path, **given)
    assert stage.contents(tmp_path / "out") == stage.contents(static / "prune" / "out")


def test_a_teacher_narrower_than_its_rows_is_refused(tiny_run: Run, tmp_path: Path) -> None:
    wide = {**STATIC, "vocabulary": 100_000, "static": {"width": 128, "hidden": 8}}
    with pytest.raises(
        ModelError, match=r"2 faults\n.*static.width = 128: the teacher has 64.*\n.*vocabulary = 100000"
    ):
        stage.run("prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), tmp_path, **wide)
    assert not (tmp_path / "out").exists()


def test_a_kind_whose_decisions_have_places_is_refused() -> None:
    asked = stage.checked("prune", **{**STATIC, "kind": "text/tagging"})
    (fault,) = asked.faults({})
    assert fault.startswith("prune.static: a student of this kind must know where a piece stands")


def test_what_goes_on_in_layers_cannot_be_imitated(static: Path, tiny_run: Run, tmp_path: Path) -> None:
    relations = {"weight": 30.0, "layer": 1, "heads": 4}
    asked = stage.checked("distill", relations=relations)
    (fault,) = asked.faults({"prune": stage.checked("prune", **STATIC)})
    assert fault.startswith("distill.relations: a static student has no layers")
    assert fault.endswith("write relations: null")
    learnt_from = (tiny_run.finetune / "outputs", tiny_run.finetune / "out")
    with pytest.raises(ModelError, match="'slipway_static' has no such states"):
        stage.run(
            "distill",
            distill.Inputs(tiny_run.ingest, static / "prune" / "out", *learnt_from),
            tmp_path,
            **LEARNING,
            relations=relations,
        )


def test_it_is_no_pretrained_model(static: Path) -> None:
    from tasks.pretrain import config

    (fault,) = config.faults(static / "distill" / "out", KIND)
    assert "is of the architecture 'slipway_static'" in fault
    assert fault.count("slipway_static") == 1


def test_int8_static_does_not_know_its_table() -> None:
    asked = stage.checked("quantize", **{**SHIPPED, "format": "int8-static", "calibration_rows": 9})
    (fault,) = asked.faults({})
    assert fault.startswith("quantize.embeddings = int8: int8-static does not know such look-ups")
    with pytest.raises(ParamsError, match="embeddings = int8"):
        quantize.run(quantize.Inputs(Path(), Path()), asked, Path(), Path())
