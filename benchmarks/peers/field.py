"""Who stands in the field, with which recipes.

One more peer is one more `Peer`, a lock and a script in a folder of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import ParamsError, did_you_mean

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MEASURING = "measuring"
"""The environment in which everything is measured: ours, and the runtimes of the peers."""
OURS = "slipway"


@dataclass(frozen=True)
class Peer:
    name: str
    environment: str
    """The folder here that holds its lock, and its script unless it is ours."""
    form: str
    """A key of variants.FORMS."""
    graph: str
    """A file that its script leaves, without which it has failed."""
    recipes: Mapping[str, str]
    """Name -> what it does, in words."""

    @property
    def is_ours(self) -> bool:
        return self.name == OURS

    @property
    def has_own_runtime(self) -> bool:
        """Whether it answers a text by code of its own, not by a graph with our tokenizer beside it."""
        return not self.is_ours and self.form not in {ONNX[0], OPENVINO[0]}


@dataclass(frozen=True)
class Entry:
    """One recipe of one peer."""

    peer: Peer
    recipe: str

    @property
    def name(self) -> str:
        return f"{self.peer.name}/{self.recipe}"


ONNX, OPENVINO = ("peer_onnx", "model.onnx"), ("peer_openvino", "model.xml")
FIELD = (
    Peer(
        OURS,
        MEASURING,
        "onnx",
        "model.onnx",
        {"int8": "the teacher as it is, quantized by the stage `quantize` with the run's params"},
    ),
    Peer(
        "olive",
        "olive",
        *ONNX,
        {
            "int8": "OnnxConversion, OnnxDynamicQuantization per channel",
            "fused-int8": "OnnxConversion, OrtTransformersOptimization, OnnxDynamicQuantization per channel",
            "fused": "OnnxConversion, OrtTransformersOptimization; float32",
            "static-int8": "OnnxConversion, OnnxStaticQuantization per channel, calibrated",
        },
    ),
    Peer(
        "optimum",
        "optimum",
        *ONNX,
        {
            "int8": "export, dynamic int8 per channel for the processor's instructions",
            "o2": "export, optimization level O2; float32",
            "o2-int8": "export, O2, shapes inferred (or else its quantizer gives up), dynamic int8 per "
            "channel",
            "o3-int8": "export, O3 (approximated GELU), shapes inferred, dynamic int8 per channel",
        },
    ),
    Peer(
        "nncf",
        "nncf",
        *OPENVINO,
        {
            "ptq": "post-training int8 for transformers, preset MIXED, calibrated; OpenVINO, hint LATENCY",
            "ptq-performance": "the same with preset PERFORMANCE",
            "int8-weights": "weights alone in int8; OpenVINO, hint LATENCY",
        },
    ),
    Peer(
        "openvino",
        "nncf",
        *OPENVINO,
        {"default": "converted as it is, weights kept as fp16, computed in what the processor does best"},
    ),
    Peer(
        "transformers",
        "transformers",
        *ONNX,
        {
            "fused": "its exporters: ONNX, fused into onnxruntime's operators for the CPU; float32",
            "fused-int8": "the same, dynamic int8 per channel",
        },
    ),
    Peer(
        "model2vec",
        "model2vec",
        "own_model2vec",
        "head.safetensors",
        {
            "logistic": "the pretrained encoder distilled to static embeddings (256 dimensions, fp16), "
            "logistic regression",
            "fine-tuned": "the same embeddings and a hidden layer of 512 fine-tuned, float32",
            "fine-tuned-int8": "the same, embeddings in int8",
            "teacher-logistic": "as `logistic`, distilled from the run's teacher",
            "teacher-fine-tuned": "as `fine-tuned`, distilled from the run's teacher",
            "pool-fine-tuned": "as `fine-tuned`, after learning the pretrained encoder's embeddings of the "
            "pool",
        },
    ),
    Peer(
        "fasttext",
        "fasttext",
        "own_fasttext",
        "model.bin",
        {
            "words": "its tutorial: words and pairs of words, learning rate 1.0, 25 epochs",
            "characters": "the same with character n-grams of 3 to 6",
            "characters-ftz": "the same, compressed by its `quantize`",
            "pool-vectors": "as `characters`, begun with vectors learnt on the pool without labels",
        },
    ),
    Peer(
        "setfit",
        "setfit",
        "own_setfit",
        "head.safetensors",
        {
            "plain": "the pretrained encoder tuned by contrast of pairs (1,000 steps of 16), logistic head",
            "distilled": "a student of three layers taught by `plain` on texts of the pool",
        },
    ),
    Peer(
        "sentence-transformers",
        "setfit",
        "own_sentences",
        "head.safetensors",
        {
            "three-layers": "three of the pretrained encoder's layers, taught its embeddings of the pool; "
            "logistic regression",
            "two-layers": "the same with two layers",
        },
    ),
)


def entries(names: Sequence[str]) -> list[Entry]:
    """All recipes of the peers of these names, ours among them in any case.

    Raises:
        ParamsError: there is no such peer.
    """
    known = [peer.name for peer in FIELD if not peer.is_ours]
    if odd := [name for name in names if name not in known]:
        raise ParamsError(
            "--peers", *(f"`{name}`: there is no such peer{did_you_mean(name, known)}" for name in odd)
        )
    return [entry for peer in FIELD if peer.is_ours or peer.name in names for entry in _of(peer)]


def _of(peer: Peer) -> Iterator[Entry]:
    return (Entry(peer, recipe) for recipe in peer.recipes)


def locks(environment: str) -> list[Path]:
    """The lists of pinned packages that make an environment."""
    own = HERE / environment / "requirements.lock"
    return [ROOT / "requirements" / "tasks.lock", own] if environment == MEASURING else [own]


def pinned(environment: str) -> dict[str, str]:
    """Package -> version."""
    lines = [line for lock in locks(environment) for line in lock.read_text(encoding="utf-8").split()]
    return dict(line.split("==") for line in lines)
