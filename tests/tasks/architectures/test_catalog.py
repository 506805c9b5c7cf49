"""The records are what transformers has, and one that is put beside them is known everywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.architectures import catalog, text
from tasks.architectures.record import Architecture, Decoder, Encoder, EncoderDecoder, Traced
from tasks.core.errors import ModelError
from tests import tiny

RECORDS = catalog.records()
FOLDER = Path(catalog.__file__).parent
NOT_SET = {
    "distilbert": {"qa_dropout"},
    "electra": {"summary_last_dropout"},
    "deberta-v2": {"pooler_dropout"},
    "efficientnet": {"drop_connect_rate"},
    "gpt2": {"summary_first_dropout"},
    "gpt_neox": {"classifier_dropout"},
    "t5": {"classifier_dropout"},
    "mt5": {"classifier_dropout"},
    "bart": {"classifier_dropout", "encoder_layerdrop", "decoder_layerdrop"},
    "marian": {"encoder_layerdrop", "decoder_layerdrop"},
}
"""Rates that stay what the checkpoint says: those of other heads, of whole layers, and two that were
never set."""
TOY = '''"""A toy that is built like BERT."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.text import bert

ARCHITECTURE = replace(bert.ARCHITECTURE, model_type="toy", name="Toy")
'''
SMALL = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 128}


def config_of(name: str) -> Any:
    from transformers import AutoConfig

    from tasks.kinds.image.common import efficientnet_lite  # noqa: F401 - makes the architecture known
    from tasks.models import static_embeddings  # noqa: F401 - the same

    return AutoConfig.for_model(name)


def ids(record: Architecture) -> str:
    return record.model_type


def test_a_module_is_called_as_the_model_type_of_its_record() -> None:
    files = {path.stem for path in FOLDER.glob("*/*.py")} - {"__init__"}
    assert len(RECORDS) == len(files) >= 13
    assert {record.model_type.replace("-", "_") for record in RECORDS} == files
    assert len({record.name for record in RECORDS}) == len(RECORDS)
    assert {*catalog.folders()} == {"text", "image", "decoder", "encoder_decoder"}


def test_a_record_imports_nothing_but_records() -> None:
    """dvc.yaml lists their folder, and every stage reads it: it must be cheap, and hide no dependency."""
    found = {
        str(node.module)
        for path in FOLDER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
    }
    allowed = {"__future__", "collections.abc", "dataclasses", "typing", "tasks"}
    assert "tasks.architectures.record" in found
    assert {name for name in found - allowed if not name.startswith("tasks.architectures")} == set()


@pytest.mark.parametrize("record", RECORDS, ids=ids)
def test_its_dropouts_are_those_of_its_config(record: Architecture) -> None:
    named = {name for name in config_of(record.model_type).to_dict() if "drop" in name}
    assert named - NOT_SET.get(record.model_type, set()) == {*record.dropouts} - {"cls_dropout"}


@pytest.mark.parametrize("record", [each for each in RECORDS if isinstance(each.layout, Encoder)], ids=ids)
def test_its_parts_are_where_it_says(record: Architecture) -> None:
    """In an empty model of the usual size."""
    import torch
    from transformers import AutoModel

    layout: Any = record.layout
    config = config_of(record.model_type)
    with torch.device("meta"):
        base = AutoModel.from_config(config)
    layers: Any = base.get_submodule(layout.layers)
    assert len(layers) == config.num_hidden_layers
    for layer in layers:
        widths = [layer.get_submodule(path).out_features for path in layout.attention]
        assert sum(widths) == 3 * config.hidden_size
        if isinstance(layout.narrowing, Traced):
            assert layer.get_submodule(layout.narrowing.ffn).out_features == getattr(config, layout.ffn_size)
    places = getattr(getattr(base, "embeddings", None), "position_embeddings", None)
    behind = getattr(places, "padding_idx", None) is not None
    assert behind == record.positions_behind_padding


@pytest.mark.parametrize("record", [each for each in RECORDS if isinstance(each.layout, Decoder)], ids=ids)
def test_the_parts_of_a_decoder_are_where_it_says(record: Architecture) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    layout: Any = record.layout
    config = config_of(record.model_type)
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config).base_model
    layers: Any = base.get_submodule(layout.layers)
    assert len(layers) == config.num_hidden_layers
    assert base.get_submodule(layout.embeddings) is base.get_input_embeddings()
    below = [*layout.attention, layout.joined, *layout.ffn, *layout.norms]
    below += [*(layout.norms_behind or ()), *(layout.head_norms or ())]
    matrices = {id(module.get_submodule(path)) for module in layers for path in below}
    every = {
        id(module)
        for layer in layers
        for module in layer.modules()
        if any(True for _ in module.parameters(recurse=False))
    }
    assert matrices == every  # no weight of a layer is left out
    beside = {
        name.rpartition(".")[0] for name, _ in base.named_parameters() if not name.startswith(layout.layers)
    }
    assert beside == {layout.embeddings, layout.last_norm} | ({layout.positions} - {""})
    for name in (layout.activation, layout.ffn_size, layout.epsilon, *layout.per_layer):
        assert hasattr(config, name)


@pytest.mark.parametrize(
    "record", [each for each in RECORDS if isinstance(each.layout, EncoderDecoder)], ids=ids
)
def test_the_parts_of_both_halves_are_where_it_says(record: Architecture) -> None:
    import torch
    from transformers import AutoModelForSeq2SeqLM

    layout: Any = record.layout
    config = config_of(record.model_type)
    with torch.device("meta"):
        base = AutoModelForSeq2SeqLM.from_config(config).base_model
    named = dict(base.named_parameters())
    known: set[str] = set()
    for half in layout.halves:
        layers: Any = base.get_submodule(half.layers)
        assert len(layers) == getattr(config, half.depth)
        parts = [f"{path}.{one}" for path, _ in half.attention for one in layout.projections]
        parts += [norm for _, norm in half.attention] + [half.ffn_norm]
        parts += [".".join(filter(None, (half.ffn, one))) for one in layout.ffn(config)]
        inside = {f"{half.layers}.{at}.{part}" for at in range(len(layers)) for part in parts}
        beside = [layout.last_norm, layout.first_norm, layout.positions, "embed_tokens"]
        known |= inside | {f"{half.path}.{name}" for name in beside if name}
        if layout.relative:
            known.add(f"{half.layers}.0.{half.attention[0][0]}.{layout.relative}")
        wide = layers[0].get_submodule(half.ffn) if half.ffn else layers[0]
        assert wide.get_submodule(layout.ffn(config)[0]).out_features == getattr(config, half.ffn_size)
        assert hasattr(config, half.heads)
    assert {name.rpartition(".")[0] for name in named} - known <= {"shared", "lm_head"}
    for name in known:
        base.get_submodule(name)
    assert hasattr(config, layout.activation)


def test_messages_list_names() -> None:
    some = [Architecture(name, name) for name in "abc"]
    assert [catalog.sentence(some[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


@pytest.fixture
def toy_checkpoint(tmp_path: Path) -> Path:
    """Of an architecture that transformers has been told of, and we have not."""
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoModelForSequenceClassification,
        BertConfig,
        BertForSequenceClassification,
        BertModel,
    )

    config = type("ToyConfig", (BertConfig,), {"model_type": "toy"})
    encoder = type("ToyModel", (BertModel,), {"config_class": config})
    classifier = type(
        "ToyForSequenceClassification", (BertForSequenceClassification,), {"config_class": config}
    )
    AutoConfig.register("toy", config, exist_ok=True)
    AutoModel.register(config, encoder, exist_ok=True)
    AutoModelForSequenceClassification.register(config, classifier, exist_ok=True)
    return tiny.checkpoint_in(tmp_path / "toy", "toy", **SMALL)


@pytest.fixture
def toy_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file beside the records of texts, for the time of a test."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.setattr(text, "__path__", [*text.__path__, str(tmp_path)])
    catalog.folders.cache_clear()
    yield
    catalog.folders.cache_clear()


def test_without_its_file_an_architecture_is_refused(toy_checkpoint: Path) -> None:
    from tasks.kinds.base.kind import load_kind
    from tasks.pretrain import config
    from tasks.prune import registry

    (fault,) = config.faults(toy_checkpoint, load_kind("text/classification"))
    assert "'toy'" in fault
    with pytest.raises(ModelError, match="architecture 'toy'"):
        registry.pruner(config_of("toy"))


@pytest.mark.usefixtures("toy_record")
def test_one_file_more_is_an_architecture_more(toy_checkpoint: Path) -> None:
    """It is taken at pretrain, cut and imitated, and messages name it."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from tasks.distill import hidden_states
    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint
    from tasks.pretrain import config
    from tasks.prune import layer_choice, registry

    assert config.faults(toy_checkpoint, load_kind("text/classification")) == []
    assert checkpoint.dropout_config(toy_checkpoint, 0.3) == dict.fromkeys(
        ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"), 0.3
    )
    model = AutoModelForSequenceClassification.from_pretrained(toy_checkpoint, attn_implementation="eager")
    model.eval()
    pruner, sizes = registry.pruner(model.config), {"layers": 2, "hidden": 32, "ffn": 64}
    assert pruner.faults(model.config, sizes) == []
    assert pruner.keep_layers(model, sizes, layer_choice.evenly) == [0, 2]
    student = pruner.narrow(model, sizes, "magnitude")
    assert hidden_states.faults(student) == []
    with torch.no_grad(), hidden_states.caught(student, 1) as states:
        student(input_ids=torch.arange(10, 28).view(2, 9))
    assert [one.shape for one in states.hidden.values()] == [(2, 9, 32)] * 3
    assert [one.shape for one in states.attention] == [(2, 9, 32)] * 3
    with pytest.raises(ModelError, match=r"architecture 'opt'.*; what can be: .*, Toy, "):
        registry.pruner(config_of("opt"))
