"""Which layers stay: evenly spread ones, or those that are missed most.

Sajjad et al., On the Effect of Dropping Layers of Pre-trained Transformer Models (2023), compare fixed
patterns with choice by measured change; taking out one layer at a time, the one that is missed least next, is
the greedy search of Zhong et al., BlockPruner (2024), here by the divergence of the answers instead of
perplexity. Influence is that of ShortGPT (Men et al., 2024): one less the cosine between the states that a
layer reads and those that it gives, all measured in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.core.progress import track
from tasks.kinds.base.kind import Features, Kind, Processor
from tasks.models import inference
from tasks.prune.pruner import Blocks, Choose

MASKS = ("attention_mask", "decoder_attention_mask")
"""What says which pieces are there, in the order of the stages."""


def spread(count: int, of: int) -> list[int]:
    """`count` layers evenly spread, the first and the last among them; of one, the first."""
    return [round(at) for at in torch.linspace(0, of - 1, count).tolist()] if count > 1 else [0]


def of_those(before: list[Any] | None, kept: list[Any]) -> list[Any]:
    """Layers that were kept of those kept before, by their first numbers; in stages, for each of them."""
    if before is None:
        return kept
    if isinstance(kept[0], list):
        return [of_those(*stage) for stage in zip(before, kept, strict=True)]
    return [before[at] for at in kept]


def evenly(stages: Sequence[Blocks], counts: Sequence[int], first_stays: bool) -> list[list[int]]:
    """A fixed pattern for each stage; the first block is always in it."""
    return [spread(count, len(blocks)) for blocks, count in zip(stages, counts, strict=True)]


def chooser(
    by: str | None,
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    batches: Sequence[Sequence[Features]],
) -> Choose:
    """What chooses layers as params say."""
    if by == "importance":
        return by_importance(model, kind, processor, batches)
    return partial(most_influential, model, kind, processor, batches) if by == "influence" else evenly


def most_influential(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    batches: Sequence[Sequence[Features]],
    stages: Sequence[Blocks],
    counts: Sequence[int],
    first_stays: bool,
) -> list[list[int]]:
    """Keeps the blocks that change the states most."""
    measured = [[0.0] * len(blocks) for blocks in stages]
    there: dict[int, torch.Tensor] = {}
    hooks = [
        block.register_forward_hook(partial(_add_influence, measured[stage], at, stage, there))
        for stage, blocks in enumerate(stages)
        for at, block in enumerate(blocks)
    ]
    model.eval()
    with torch.inference_mode():
        for batch in track(batches, label="layers"):
            inputs = kind.model.collate(processor, batch)
            masks = {stage: inputs[name] for stage, name in enumerate(MASKS) if name in inputs}
            there.update({stage: mask.to(model.device).bool() for stage, mask in masks.items()})
            inference.answer(model, inputs)
    for hook in hooks:
        hook.remove()
    for influences in measured:
        influences[0] += float("inf") if first_stays else 0.0
    return [
        sorted(sorted(range(len(influences)), key=lambda at: -influences[at])[:count])
        for influences, count in zip(measured, counts, strict=True)
    ]


def _add_influence(
    influences: list[float],
    at: int,
    stage: int,
    there: Mapping[int, torch.Tensor],
    _block: Any,
    read: Any,
    given: Any,
) -> None:
    """Of the states of pieces that are there; of pictures all are."""
    states = given[0] if isinstance(given, tuple) else given
    cosine = torch.nn.functional.cosine_similarity(read[0], states, dim=-1)
    influences[at] += float(1 - (cosine[there[stage]] if stage in there else cosine).mean())


def by_importance(
    model: PreTrainedModel, kind: Kind, processor: Processor, batches: Sequence[Sequence[Features]]
) -> Choose:
    """Keeps the blocks without which the model's answers to the batches would diverge most from those it
    gives now.
    """
    return partial(most_missed, partial(_divergences, model, kind, processor, batches))


def most_missed(
    divergences: Callable[[], Callable[[], float]],
    stages: Sequence[Blocks],
    counts: Sequence[int],
    first_stays: bool,
) -> list[list[int]]:
    """Takes one block out after the other, always the one whose absence changes the answers least.

    Args:
        divergences: called while all blocks are there; what it returns tells how far the answers are from
            that, whenever it is called.
    """
    kept = [list(range(len(blocks))) for blocks in stages]
    rounds = sum(max(0, len(blocks) - count) for blocks, count in zip(stages, counts, strict=True))
    divergence = divergences() if rounds else float
    for _ in track(range(rounds), label="layers"):
        candidates = [
            (stage, at)
            for stage, (left, count) in enumerate(zip(kept, counts, strict=True))
            if len(left) > count
            for at in left[first_stays:]
        ]
        costs = {gone: _without(divergence, stages, kept, gone) for gone in candidates}
        stage, at = min(costs, key=costs.__getitem__)
        kept[stage].remove(at)
    return kept


def _without(
    divergence: Callable[[], float],
    stages: Sequence[Blocks],
    kept: Sequence[Sequence[int]],
    gone: tuple[int, int],
) -> float:
    with ExitStack() as restored:
        for stage, (blocks, left) in enumerate(zip(stages, kept, strict=True)):
            restored.enter_context(_only(blocks, [at for at in left if (stage, at) != gone]))
        return divergence()


@contextmanager
def _only(blocks: Blocks, kept: Sequence[int]) -> Iterator[None]:
    """Within, the model runs through these blocks alone."""
    everything = dict(blocks._modules)
    for at in set(range(len(everything))).difference(kept):
        del blocks._modules[str(at)]
    try:
        yield
    finally:
        blocks._modules.clear()
        blocks._modules.update(everything)


def _divergences(
    model: PreTrainedModel, kind: Kind, processor: Processor, batches: Sequence[Sequence[Features]]
) -> Callable[[], float]:
    """Mean divergence over the batches between what the model answers when the result is called and what it
    answers now.
    """

    def answers() -> list[torch.Tensor]:
        with torch.inference_mode():
            return [inference.forward(model, kind, processor, batch)[0] for batch in batches]

    model.eval()
    wanted = answers()

    def divergence() -> float:
        pairs = zip(answers(), wanted, strict=True)
        return sum(float(kind.model.distillation_loss(got, want, 1.0)) for got, want in pairs) / len(wanted)

    return divergence
