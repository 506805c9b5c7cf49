"""Checkpoints as they are found in the wild.

What would be dropped, ignored or fetched is refused or told, and nothing asks the network.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from tasks.core.errors import ModelError
from tasks.core.stages import Metrics
from tasks.pretrain import stage as pretrain
from tasks.pretrain.locate import content_hash
from tasks.pretrain.source import Source
from tests import tiny
from tests.tasks import stage

WEIGHTS, INDEX, TOKENIZER = "model.safetensors", "model.safetensors.index.json", "tokenizer.json"
Tensors = dict[str, torch.Tensor]
HEADLINES = [row["headline"] for row in tiny.articles()]


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.ingest_out(tmp_path_factory.mktemp("home") / "ingest")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint_in(tmp_path_factory.mktemp("whole") / "tiny")


@pytest.fixture
def workspace(tmp_path: Path, whole: Path) -> Path:
    shutil.copytree(whole, tmp_path / "models" / "tiny")
    return tmp_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    asked = []

    def refuse(*to: Any, **_: Any) -> None:
        asked.append(to)
        raise OSError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert asked == []


def bring_in(workspace: Path, ingest: Path) -> Metrics:
    source = Source(folder="models/tiny", sha256=content_hash(workspace / "models" / "tiny"))  # type: ignore[call-arg]
    return stage.run(
        "pretrain", pretrain.Inputs(ingest, workspace), workspace / "stage", source=source, further=None
    )


def edit(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    held = json.loads(file.read_text())
    change(held)
    file.write_text(json.dumps(held))


def with_weights(change: Callable[[Tensors], Tensors]) -> Callable[[Path], None]:
    return lambda folder: save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


def with_config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "config.json", lambda held: held.update(values))


def with_tokenizer_config(**values: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / "tokenizer_config.json", lambda held: held.update(values))


def also(**tensors: torch.Tensor) -> Callable[[Path], None]:
    return with_weights(
        lambda held: {**held, **{name.replace("__", "."): tensor for name, tensor in tensors.items()}}
    )


def below_prefix(held: Tensors) -> Tensors:
    return {f"bert.{name}": tensor for name, tensor in held.items()}


def by_old_names(held: Tensors) -> Tensors:
    """Parts of normalizations, as the first BERT had them."""
    return {
        name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): tensor
        for name, tensor in held.items()
    }


def with_an_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "base_model_name_or_path": "someone/base", "r": 4}'
    )
    save_file({"base_model.model.a.lora_A.weight": torch.zeros(4, 64)}, folder / "adapter_model.safetensors")


def an_adapter_only(folder: Path) -> None:
    with_an_adapter(folder)
    (folder / WEIGHTS).unlink()


def in_shards(folder: Path, change: Callable[[dict[str, str]], Any] = lambda _: None) -> None:
    held = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    files = {name: f"model-0000{1 + (at % 2)}-of-00002.safetensors" for at, name in enumerate(sorted(held))}
    for file in set(files.values()):
        save_file({name: tensor for name, tensor in held.items() if files[name] == file}, folder / file)
    change(files)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": files}))


def no_index(folder: Path) -> None:
    in_shards(folder)
    (folder / INDEX).unlink()


def a_torn_shard(folder: Path) -> None:
    in_shards(folder)
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])


def a_lost_shard(folder: Path) -> None:
    in_shards(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def in_shards_of(name: str) -> Callable[[Path], None]:
    return lambda folder: in_shards(folder, lambda files: files.update({"pooler.dense.bias": name}))


def only_words(folder: Path) -> None:
    """A tokenizer that exists in Python alone."""
    pieces = json.loads((folder / TOKENIZER).read_text())["model"]["vocab"]
    (folder / TOKENIZER).unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(pieces, key=pieces.__getitem__)) + "\n")


def words_of_a_bert(folder: Path) -> None:
    only_words(folder)
    with_tokenizer_config(tokenizer_class="BertTokenizer")(folder)


def of_other_texts(folder: Path) -> None:
    """Most of its pieces give way to some that no headline holds."""
    pieces = json.loads((folder / TOKENIZER).read_text())["model"]["vocab"]
    odd = {piece if number < 5 else f"Q{number}": number for piece, number in pieces.items()}
    edit(folder / TOKENIZER, lambda held: held["model"].update(vocab=odd))


def japanese(folder: Path, **how: str) -> None:
    only_words(folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertJapaneseTokenizer", **how})
    )


def other_words(folder: Path) -> None:
    pieces = json.loads((folder / TOKENIZER).read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(pieces, key=pieces.__getitem__, reverse=True)) + "\n")


def an_added_piece(folder: Path, removed: int = 0) -> None:
    def change(held: dict[str, Any]) -> None:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        held["added_tokens"].append({"id": 1200, "content": "<new>", **flags})
        for piece in sorted(held["model"]["vocab"])[-removed:] if removed else []:
            del held["model"]["vocab"][piece]

    edit(folder / TOKENIZER, change)


def cased(folder: Path, **config: Any) -> None:
    edit(folder / TOKENIZER, lambda held: held["normalizer"].update(lowercase=False))
    with_tokenizer_config(tokenizer_class="BertTokenizer", **config)(folder)


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "relative positions": (
        also(encoder__layer__0__attention__self__distance_embedding__weight=torch.zeros(3, 16)),
        "distance_embedding",
    ),
    "relative positions in the config": (
        with_config(position_embedding_type="relative_key"),
        "no longer has such positions",
    ),
    "adapters within": (
        with_weights(
            lambda held: {**below_prefix(held), "bert.encoder.layer.0.adapter.weight": torch.zeros(3)}
        ),
        r"1 tensors of its encoder would not be used, such as bert\.encoder\.layer\.0\.adapter\.weight",
    ),
    "what is no head": (also(prompt__weight=torch.zeros(3)), "prompt.weight, and are no head that is known"),
    "a layer too many": (with_config(num_hidden_layers=3), "16 tensors of its encoder would not be used"),
    "a tensor lost": (
        with_weights(
            lambda held: {name: held[name] for name in held if not name.endswith("1.output.dense.weight")}
        ),
        "lack 1 tensors",
    ),
    "a tensor twice": (also(bert__embeddings__word_embeddings__weight=torch.zeros(1200, 64)), "there twice"),
    "no numbers": (
        with_weights(
            lambda held: {
                name: held[name] * (torch.nan if "layer.1.output.dense.w" in name else 1.0) for name in held
            }
        ),
        "not finite, such as encoder.layer.1.output.dense.weight",
    ),
    "whole numbers": (
        with_weights(lambda held: {name: (100 * held[name]).to(torch.int8) for name in held}),
        "stored as I8",
    ),
    "eight bits": (
        with_weights(lambda held: {name: held[name].to(torch.float8_e4m3fn) for name in held}),
        "stored as F8_E4M3",
    ),
    "an adapter beside": (with_an_adapter, "has an adapter beside its full weights"),
    "an adapter only": (an_adapter_only, "merge it with its base model first"),
    "no index": (no_index, f"but no {INDEX}"),
    "a shard outside": (
        in_shards_of("../../other/model.safetensors"),
        r"names \.\./\.\./other/model\.safetensors",
    ),
    "a shard at the root": (in_shards_of("/etc/passwd"), "names /etc/passwd"),
    "a pickled shard": (in_shards_of("pytorch_model.bin"), "names pytorch_model.bin"),
    "a lost shard": (a_lost_shard, "lacks model-00002-of-00002.safetensors"),
    "a torn shard": (a_torn_shard, "model-00002-of-00002.safetensors is torn"),
    "a promised tensor": (
        lambda folder: in_shards(folder, lambda files: files.update(x="model-00001-of-00002.safetensors")),
        "lacks x,",
    ),
    "a pointer": (
        lambda folder: (folder / WEIGHTS).write_text("version https://git-lfs.example/spec/v1\n"),
        "a pointer of Git LFS",
    ),
    "Flax": (
        lambda folder: (folder / WEIGHTS).rename(folder / "flax_model.msgpack"),
        "only flax_model.msgpack, of Flax",
    ),
    "llama.cpp": (lambda folder: (folder / WEIGHTS).rename(folder / "model.gguf"), "only model.gguf"),
    "Japanese": (japanese, "BertJapaneseTokenizer, is written in Python alone; a fast tokenizer is needed"),
    "Japanese, words by a library": (
        lambda folder: japanese(folder, word_tokenizer_type="mecab"),
        "a fast tokenizer is needed",
    ),
    "pieces of another": (other_words, "vocab.txt has .* as piece 0"),
    "a piece too many": (an_added_piece, "its tokenizer has the piece '<new>' at 1200"),
    "a piece moved": (
        lambda folder: an_added_piece(folder, 30),
        "has '<new>' at 1200, but it is read as piece 1170",
    ),
    "two cases": (
        lambda folder: cased(folder, do_lower_case=True),
        "do_lower_case = True, its tokenizer.json lowercase = False",
    ),
    "unknown texts": (of_other_texts, "100% of their pieces are unknown"),
    "another padding": (with_config(pad_token_id=3), "pad_token_id = 3, its tokenizer has '\\[PAD\\]' at 0"),
    "code for the tokenizer": (
        with_tokenizer_config(auto_map={"AutoTokenizer": ["x.Y", None]}),
        "auto_map asks for code of its own",
    ),
    "code": (with_config(auto_map={"AutoModel": "x.Y"}), "auto_map asks for code of its own"),
    "a kernel": (
        with_config(attn_implementation="kernels-community/x"),
        "attn_implementation = 'kernels-community/x'",
    ),
    "bits": (
        with_config(quantization_config={"quant_method": "bitsandbytes"}),
        "quantization_config asks for quantized weights",
    ),
    "other weights": (
        with_config(transformers_weights="../x.safetensors"),
        "transformers_weights asks for another file",
    ),
    "an activation": (with_config(hidden_act="gelu_nwe"), "did you mean `gelu_new`"),
    "attentions": (with_config(output_attentions=True), "output_attentions"),
    "a decoder": (with_config(is_decoder=True), "is_decoder"),
    "no small number": (with_config(layer_norm_eps=float("nan")), "not finite numbers"),
    "many layers": (with_config(num_hidden_layers=10**7), "at most 512 layers"),
    "many pieces": (
        with_config(vocab_size=10**12),
        r"word_embeddings.weight is \[1200, 64\], its config asks for",
    ),
    "digits": (
        lambda folder: (folder / "config.json").write_text(f'{{"vocab_size": {"1" * 5000}}}'),
        "not readable as JSON",
    ),
    "depth": (
        lambda folder: (folder / "tokenizer_config.json").write_text("[" * 100_000),
        "tokenizer_config.json is not readable",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), REFUSED.values(), ids=REFUSED)
def test_refused_with_one_message(
    workspace: Path, ingest: Path, spoil: Callable[[Path], Any], said: str
) -> None:
    spoil(workspace / "models" / "tiny")
    with pytest.raises(ModelError, match=said):
        bring_in(workspace, ingest)
    assert not (workspace / "stage" / "out").exists()


TOLD: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "plain": (lambda _: None, {}),
    "shards": (in_shards, {}),
    "old names": (with_weights(by_old_names), {}),
    "numbers of positions": (also(embeddings__position_ids=torch.arange(66)[None]), {}),
    "a head": (
        with_weights(
            lambda held: {
                **below_prefix(held),
                "classifier.weight": torch.zeros(3, 64),
                "cls.predictions.bias": torch.zeros(9),
            }
        ),
        {"tensors_left_behind": {"classifier": 1, "cls": 1}},
    ),
    "no pooler": (
        with_weights(lambda held: {name: held[name] for name in held if "pooler" not in name}),
        {"tensors_made_new": {"pooler": 2}},
    ),
    "half": (with_weights(lambda held: {name: held[name].half() for name in held}), {"stored_as": "F16"}),
    "more weights": (
        lambda folder: shutil.copy(folder / WEIGHTS, folder / "other.safetensors"),
        {"files_left_behind": ["other.safetensors"]},
    ),
    "words only": (
        words_of_a_bert,
        {"tokenizer_made_from": ["vocab.txt"]},
    ),
    "paths of another machine": (
        with_tokenizer_config(vocab_file="/etc/passwd", tokenizer_file="../../x"),
        {},
    ),
    "a former task": (
        with_config(
            id2label={"0": "a", "1": "b", "2": "c"}, problem_type="regression", _name_or_path="../../x"
        ),
        {},
    ),
}


@pytest.mark.parametrize(("change", "told"), TOLD.values(), ids=TOLD)
def test_taken_and_told(
    workspace: Path, ingest: Path, change: Callable[[Path], Any], told: dict[str, Any]
) -> None:
    change(workspace / "models" / "tiny")
    assert bring_in(workspace, ingest).figures == {"parameters": 219328, **told}


@pytest.mark.parametrize("architecture", ["roberta", "electra", "deberta-v2", "distilbert", "modernbert"])
@pytest.mark.parametrize("head", [AutoModelForMaskedLM, AutoModelForSequenceClassification])
def test_heads_of_all_architectures_stay_behind(
    tmp_path: Path, ingest: Path, architecture: str, head: Any
) -> None:
    folder = tiny.checkpoint_in(
        tmp_path / "models" / "tiny", architecture, tokenizer=tiny.TOKENIZERS[architecture](HEADLINES)
    )
    head.from_pretrained(folder).save_pretrained(folder)
    figures = bring_in(tmp_path, ingest).figures
    assert figures["tensors_left_behind"]
    assert figures.keys() - {"tensors_made_new"} == {"parameters", "tensors_left_behind"}
    assert figures.get("tensors_made_new", {"pooler": 2}) == {"pooler": 2}


def test_the_checkpoints_own_tokenizer_counts_not_what_its_class_makes_of_it(
    tmp_path: Path, ingest: Path
) -> None:
    """As CamemBERT v2: pieces of words, and a class that would read them as bytes."""
    words = tiny.wordpiece(HEADLINES)
    folder = tiny.checkpoint_in(
        tmp_path / "models" / "tiny", "roberta", tokenizer=words, max_position_embeddings=80
    )
    with_tokenizer_config(tokenizer_class="RobertaTokenizer")(folder)
    text = HEADLINES[0]
    assert AutoTokenizer.from_pretrained(folder)(text)["input_ids"] != words(text)["input_ids"]
    figures = bring_in(tmp_path, ingest).figures
    assert figures["tokenizer"] == "its own tokenizer.json, which RobertaTokenizer reads otherwise"
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "stage" / "out")(text)["input_ids"]
        == words(text)["input_ids"]
    )


def test_case_that_only_tokenizer_json_tells_is_kept(workspace: Path, ingest: Path) -> None:
    cased(workspace / "models" / "tiny")
    assert "tokenizer" in bring_in(workspace, ingest).figures
    kept = AutoTokenizer.from_pretrained(workspace / "stage" / "out")
    assert kept.tokenize("AB") != kept.tokenize("ab")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([-1, 0, 1, 3, 0.5, 1e308]),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
KEYS = sorted(
    {
        *tiny.config_of("bert").to_dict(),
        "attn_implementation",
        "quantization_config",
        "auto_map",
        "torch_dtype",
        "id2label",
    }
)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_value_of_the_config_is_taken_or_refused(
    workspace: Path, ingest: Path, whole: Path, key: str, value: Any
) -> None:
    folder = workspace / "models" / "tiny"
    shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    with_config(**{key: value})(folder)
    said = ""
    try:
        bring_in(workspace, ingest)
    except ModelError as error:
        said = str(error)
    assert len(said.splitlines()) <= 8
