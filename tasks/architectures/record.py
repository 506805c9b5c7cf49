"""What Slipway knows of an architecture. A record holds names and small functions, and imports no library.

Paths are dotted names of modules, as `torch.nn.Module.get_submodule` takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks.architectures.axes import Table

Wish = tuple[Any, int]
"""A module, and how many outputs it shall have."""


@dataclass(frozen=True)
class Traced:
    """An encoder that torch-pruning traces, and what it has to be given for that."""

    ffn: str
    """Path below a layer: its first feed-forward product."""
    loose: tuple[str, ...] = ()
    """Paths below the base model: parameters (1, l, hidden) that belong to no usual module."""
    other_widths: Callable[[Any], Sequence[Any]] | None = None
    """Model -> modules whose width is not the hidden width."""


@dataclass(frozen=True)
class Sliced:
    """An encoder that torch-pruning cannot trace: its weights are cut along named axes."""

    table: Callable[[Any], Table]
    """Model -> the axes of its modules."""


@dataclass(frozen=True)
class Encoder:
    """A stack of equal layers of attention and feed-forward products."""

    layers: str
    """Path below the base model: the list of its layers, each of which takes hidden states first and gives
    them first."""
    attention: tuple[str, ...]
    """Paths below a layer: what gives its queries, keys and values, or the one module that gives all three
    side by side."""
    narrowing: Traced | Sliced
    """How its widths are cut."""
    ffn_size: str = "intermediate_size"
    """What its config calls the feed-forward width."""
    also_hidden: tuple[str, ...] = ()
    """What else in its config is the hidden width, if it is as large."""
    per_layer: tuple[str, ...] = ()
    """What in its config is a list with an entry for each layer."""
    first_stays: bool = False
    """Whether the first layer is built otherwise than the others."""
    vocabulary: bool = True
    """Whether it reads numbers of pieces; pixels otherwise."""
    unsayable: Callable[[Any, int], list[str]] | None = None
    """(config, hidden width other than its own) -> why the config could not say it."""


@dataclass(frozen=True)
class Decoder:
    """A stack of equal layers that write a text piece by piece: each piece sees those before it."""

    layers: str
    """Path below the base model: the list of its layers."""
    embeddings: str
    """Paths below the base model: the table of pieces,"""
    last_norm: str
    """and the normalization behind the last layer."""
    attention: tuple[str, ...]
    """Paths below a layer: what gives its queries, keys and values, or the one that gives all three,"""
    joined: str
    """what joins the heads again,"""
    ffn: tuple[str, ...]
    """what gates, widens and narrows, or what widens and narrows,"""
    norms: tuple[str, str]
    """and the normalizations before attention and before the feed-forward part."""
    norms_behind: tuple[str, str] | None = None
    """Normalizations behind both, before they are added, where there are such."""
    head_norms: tuple[str, str] | None = None
    """Those of each head's queries and keys, where there are such."""
    positions: str = ""
    """Path below the base model: the table of positions; none where queries and keys are rotated."""
    fused: Literal["", "side by side", "head by head"] = ""
    """How one module gives queries, keys and values."""
    activation: str = "hidden_act"
    """What its config calls these: the activation,"""
    ffn_size: str = "intermediate_size"
    """the feed-forward width (None there: four times the hidden one),"""
    epsilon: str = "rms_norm_eps"
    """and what normalizations add to a variance."""
    centred: bool = False
    """Whether normalizations take the mean away, and have biases."""
    counts_from_one: bool = False
    """Whether what normalizations multiply with is one more than their weights."""
    transposed: bool = False
    """Whether matrices lie inputs by outputs."""
    per_layer: tuple[str, ...] = ()
    """What in its config is a list with an entry for each layer."""


@dataclass(frozen=True)
class Half:
    """The encoder or the decoder of an `EncoderDecoder`."""

    layers: str
    """Path below the base model: the list of its layers."""
    attention: tuple[tuple[str, str], ...]
    """Paths below a layer: attention to its own states and its normalization; of a decoder then attention to
    what the encoder gives, and its normalization."""
    ffn: str
    """Paths below a layer: what holds the feed-forward part,"""
    ffn_norm: str
    """and its normalization."""
    depth: str
    """What its config calls these: the number of layers,"""
    heads: str
    """the number of heads,"""
    ffn_size: str
    """and the feed-forward width."""

    @property
    def path(self) -> str:
        """The half itself, below the base model."""
        return self.layers.rpartition(".")[0]


@dataclass(frozen=True)
class EncoderDecoder:
    """An encoder that reads one text, and a decoder that writes another and looks at what was read."""

    encoder: Half
    decoder: Half
    projections: tuple[str, str, str, str]
    """Paths below an attention: what gives queries, keys and values, and what joins the heads again."""
    ffn: Callable[[Any], tuple[str, ...]]
    """Config -> paths below the feed-forward part: what gates, widens and narrows, or what widens and
    narrows."""
    activation: str
    """What its config calls the activation."""
    normed_first: bool = False
    """Whether normalizations stand before what they belong to; behind the sum otherwise."""
    centred: bool = True
    """Whether normalizations take the mean away, and have biases."""
    last_norm: str = ""
    """Paths below a half: the normalization behind the last layer,"""
    first_norm: str = ""
    """that of what the first layer reads,"""
    positions: str = ""
    """and the table of positions, where there are such."""
    positions_from: int = 0
    """The row of the first position."""
    relative: str = ""
    """Path below the attention of the first layer to its own states: what is added for each distance; then
    the first layer of both halves stays."""
    answer_factor: Callable[[Any], float] | None = None
    """Config -> what the last states are multiplied with before pieces are told from them."""

    @property
    def halves(self) -> tuple[Half, Half]:
        return self.encoder, self.decoder


@dataclass(frozen=True)
class ConvNet:
    """A convolutional network built in stages."""

    stages: Callable[[Any], Sequence[Any]]
    """Base model -> the blocks of each stage."""
    widths: Callable[[Any], list[int]]
    """Config -> what `prune.widths` names."""
    describe: str
    """Which widths these are."""
    resize: Callable[[Any, list[int]], None]
    """(config, widths) -> they are set in the config."""
    wishes: Callable[[Any, Any], Iterator[Wish]]
    """(base model, config) -> the outputs of every module that decides a width, if the model had this config;
    outer widths first."""
    unsayable: Callable[[Any, list[int]], list[str]] | None = None
    """(config, widths) -> why the config could not say them."""


@dataclass(frozen=True)
class Architecture:
    """The record. Its module is called as its model type, with `_` for `-`."""

    model_type: str
    """What config.json calls it."""
    name: str
    """What messages call it."""
    layout: Encoder | Decoder | EncoderDecoder | ConvNet | None = None
    """Where its parts are; None: it is not pruned, and gives no hidden states to learn from."""
    not_pruned: str = ""
    """Why, where `layout` is None: a sentence without its subject."""
    dropouts: tuple[str, ...] = ()
    """What its config calls the rates that `dropout` in params sets, where it has them."""
    positions_behind_padding: bool = False
    """Whether it numbers the positions of a text from the number of the padding piece on."""
    pretrained: bool = True
    """Whether its checkpoints are taken as pretrained models; False: only `prune` makes them."""
    takes_lora: bool = True
    """Whether its layers bear being wrapped."""
