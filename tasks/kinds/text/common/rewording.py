"""Variations of a text: words left out, masked, replaced by others of the same run, exchanged. What they
mean, the teacher is asked.

Leaving out and exchanging: Wei and Zou, EDA: Easy Data Augmentation Techniques (2019). Masking, and that a
teacher labels what comes out: Tang et al., Distilling Task-Specific Knowledge from BERT into Simple Neural
Networks (2019), whose replacement keeps the part of speech; this one needs no tagger and draws from the run's
own words, frequent ones more often.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tasks.core.errors import ModelError
from tasks.kinds.base.data import Reworder, Rewording
from tasks.kinds.text.common.texts import WORD


def faults(how: Rewording, tokenizer: Any) -> list[str]:
    """What of it the tokenizer has no piece for; nothing while there is no tokenizer yet."""
    if tokenizer is None or not how.mask or tokenizer.mask_token is not None:
        return []
    return [f"distill.rewording.mask = {how.mask}: the tokenizer has no mask piece; write 0.0"]


def reworded(rows: Sequence[Any], how: Rewording, seed: int, tokenizer: Any) -> list[Any]:
    """`copies` variations of each row, unlabelled: one of all rows, then another of all. The same for the
    same seed; the id of each is `<id of its row>~<number of the copy>`.

    Raises:
        ModelError: words are to be masked, and the tokenizer has no piece for that.
    """
    if unable := faults(how, tokenizer):
        raise ModelError("params.yaml", *unable)
    words, chance = [word for row in rows for word in WORD.findall(row["text"])], random.Random(seed)

    def varied(row: Any, copy: int) -> Any:
        text = _varied(row["text"], how, words, tokenizer.mask_token, chance)
        return {**row, "id": f"{row['id']}~{copy}", "text": text, "label": None}

    return [varied(row, copy) for copy in range(how.copies) for row in rows]


def _varied(text: str, how: Rewording, words: Sequence[str], mask: str, chance: random.Random) -> str:
    spans = [match.span() for match in WORD.finditer(text)]
    own = [text[start:end] for start, end in spans]
    gaps = [text[end:start] for (_, end), (start, _) in zip(spans, [*spans[1:], (len(text), 0)], strict=True)]
    left: list[int] = []
    for at in range(len(own)):
        fate = chance.random()
        if fate < how.drop:
            continue
        left.append(at)
        if fate < how.drop + how.mask:
            own[at] = mask
        elif fate < how.drop + how.mask + how.replace:
            own[at] = chance.choice(words)
    left = left or [0]
    for at in left:
        if chance.random() < how.swap:
            other = chance.choice(left)
            own[at], own[other] = own[other], own[at]
    return "".join(own[at] + gaps[at] for at in left).strip()


REWORDER = Reworder(reworded, faults)
