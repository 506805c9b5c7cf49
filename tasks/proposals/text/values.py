"""Values of a run of texts that follow from its data.

The figures behind each rule are in docs/results/anyones-data.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.kinds.base.rows import Features
from tasks.proposals.proposal import Facts, Value, multiple

LONGEST_INPUT = 512
"""Pieces that the embedded pretrained models read."""
READ_WHOLE = 0.995
"""Share of the texts that the input size lets the model read to their end."""
LOST = 0.005
"""Share of held-out pieces that may be spelt with smaller ones."""
LITTLE_MORE = 0.001
"""Beside what the largest vocabulary loses: pieces that save less are left out."""
STEP = 400
"""Between the sizes of a vocabulary that are compared."""
RESERVED = re.compile(r"\[unused\d+\]")
MANY_PIECES = 40_000
"""Pieces up to which a teacher keeps all: those of many languages have hundreds of thousands."""
OTHER_MINUTES = 2.5
"""Of a run, beside what its models compute: seven processes, the graph, the benchmark."""
READINGS = 3
"""How often the teacher reads the training rows without learning: for the sentence vectors, for its head, to
answer them."""
SLACK = 1.15
"""Bytes that a gate allows, as a multiple of those expected."""
TEACHER_PIECES = 16_000
"""That a teacher keeps at least: no cut transformer that is proposed has more."""
DEEP = 15_000_000
"""Weights of a pretrained model's layers from which on it is deep."""
RARE = 0.01
FEW_CLASSES = 20
FEW_ROWS = 1_000
FEWEST_TEST_ROWS = 600
MANY_CUT = 0.05


@dataclass(frozen=True)
class Seen:
    """What the tokenizer makes of the rows."""

    lengths: np.ndarray
    """Pieces of each training and validation text (n,), cut at LONGEST_INPUT."""
    pieces: Counter[int]
    """Of training rows and pool."""
    held_out: Counter[int]
    """Of the validation rows."""

    general: Sequence[int]
    """The numbers of the other pieces, those that are frequent in general first."""

    @classmethod
    def of(cls, facts: Facts) -> Seen:
        """Of the rows of train, validation and pool."""
        lengths = [len(one["input_ids"]) for side in ("train", "validation") for one in facts.encoded[side]]
        pieces = _counts(facts.encoded, "train", "pool")
        general = sorted(
            number
            for piece, number in facts.vocabulary.items()
            if number not in pieces and not RESERVED.fullmatch(piece)
        )
        return cls(np.array(lengths), pieces, _counts(facts.encoded, "validation"), general)

    def lost(self, vocabulary: int) -> float:
        """Share of the held-out pieces that a vocabulary of so many pieces, as prune chooses them, lacks."""
        kept = {piece for piece, _ in self.pieces.most_common(vocabulary)}
        kept.update(self.general[: max(0, vocabulary - len(self.pieces))])
        missed = sum(count for piece, count in self.held_out.items() if piece not in kept)
        return missed / max(self.held_out.total(), 1)


def _counts(encoded: Mapping[str, Sequence[Features]], *sides: str) -> Counter[int]:
    return Counter(piece for side in sides for one in encoded[side] for piece in one["input_ids"])


def input_size(seen: Seen) -> Value:
    """Pieces of a text that are read."""
    wanted = int(np.quantile(seen.lengths, READ_WHOLE))
    size = min(LONGEST_INPUT, multiple(wanted, 16))
    longer = seen.lengths >= size if size == LONGEST_INPUT else seen.lengths > size
    whole = (
        f"{longer.mean():.1%} of the texts are longer and are cut" if longer.any() else "all are read whole"
    )
    return Value(size, f"pieces; the median text has {int(np.median(seen.lengths))}; {whole}")


def vocabulary(seen: Seen, most: int, of: int) -> Value:
    """Pieces that the student keeps, of the teacher's `of`: the fewest that lose little of held-out texts."""
    most = min(most, of // 8 * 8)
    sizes = [*range(min(most, multiple(len(seen.pieces), 80)), most, STEP), most]
    allowed = max(LOST, seen.lost(most) + LITTLE_MORE)
    size = next(one for one in sizes if seen.lost(one) <= allowed)
    return Value(
        size,
        f"of {of:,} pieces; training texts hold {len(seen.pieces):,}; {seen.lost(size):.1%} of the held-out "
        "pieces are spelt with smaller ones",
    )


TRAINING: dict[str, Value] = {
    "warmup": Value(0.1),
    "weight_decay": Value(0.01),
    "clip": Value(1.0),
    "precision": Value("fp32"),
}
"""Of finetune and distill: what does not follow from the data."""


QUANTIZE = {
    "graph": Value("fused"),
    "format": Value("int8-dynamic"),
    "embeddings": Value("int4", "the table of words in four bits"),
    "calibration_rows": Value(None),
    "max_difference": Value(0.001),
    "min_agreement": Value(0.95),
    "max_float_operators": Value(4, "the worst, if need be"),
}


def distillation(
    epochs: int, rows: int, batch: int, learning_rate: float, repeats: int, pool: int
) -> dict[str, Value]:
    """The section `distill` of a student that passes `epochs` times over so many rows."""
    beside = f"; {pool:,} of them are unlabelled" if pool else "; there is no pool"
    return {
        "epochs": Value(
            epochs, f"{epochs * -(-rows // batch):,} steps: {rows:,} rows in batches of {batch}{beside}"
        ),
        "patience": Value(epochs),
        "batch_size": Value(batch),
        "learning_rate": Value(learning_rate),
        **TRAINING,
        "dropout": Value(0.0),
        "temperature": Value(2.0),
        "label_weight": Value(0.1),
        "best_by": Value("divergence"),
        "soup": Value(1),
        "repeats": Value(repeats),
        "pool": Value(pool),
        "rewording": Value(None),
        "hidden": Value(None),
        "relations": Value(None),
    }


def remarks(facts: Facts, seen: Seen) -> list[str]:
    """Where the promise of the preset may not hold; each a sentence."""
    rows, total = len(facts.rows["train"]), sum(facts.classes.values())
    found = []
    rare = {name: count for name, count in facts.classes.items() if count < RARE * total}
    if rare and len(facts.classes) <= FEW_CLASSES:
        some = ", ".join(f"`{name}` ({count} rows)" for name, count in list(rare.items())[:3])
        found.append(f"{some}: less than one row in a hundred; the model will rarely answer it")
    if (test := len(facts.rows["test"])) < FEWEST_TEST_ROWS:
        found.append(f"{test} test rows: intervals will be wide, and a fall of two points cannot be seen")
    if rows < FEW_ROWS and not facts.rows["pool"]:
        found.append(
            f"{rows} training rows and no unlabelled texts: the student learns from little; a folder "
            "`unlabelled/` with further texts helps most"
        )
    if (cut := float((seen.lengths >= LONGEST_INPUT).mean())) > MANY_CUT:
        found.append(
            f"{cut:.0%} of the texts are longer than the model reads; their ends are not seen, unless "
            "options say long_texts: head_tail, or windows"
        )
    return found


def teacher(facts: Facts) -> dict[str, Value]:
    """The key of `pretrain` that leaves out pieces which the run's texts do not need, of many."""
    if (kept := teachers_pieces(facts)) == len(facts.vocabulary):
        return {}
    why = f"of {len(facts.vocabulary):,} pieces; the teacher needs no others for these texts"
    return {"vocabulary": Value(kept, why)}


def teachers_pieces(facts: Facts) -> int:
    """Pieces that the teacher keeps, which its student cannot have more of."""
    if len(facts.vocabulary) <= MANY_PIECES:
        return len(facts.vocabulary)
    return min(MANY_PIECES, max(TEACHER_PIECES, multiple(2 * len(Seen.of(facts).pieces), 8_000)))
