"""fastText trains a classifier:  python -I compress.py JOB

Runs inside its own environment and imports nothing of Slipway. The recipes follow its tutorial of text
classification (fasttext.cc/docs/en/supervised-tutorial): texts in small letters with marks apart, learning
rate 1.0, 25 epochs, pairs of words, 200,000 buckets, 50 dimensions; and its options for character n-grams,
for vectors learnt without labels beforehand, and for compression (fasttext.cc/docs/en/options, .../faqs).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fasttext

TUTORIAL: dict[str, Any] = {"lr": 1.0, "epoch": 25, "wordNgrams": 2, "bucket": 200_000, "dim": 50}
CHARACTERS: dict[str, Any] = {"minn": 3, "maxn": 6}
"""The n-grams of its own default where words are learnt without labels."""
RECIPES: dict[str, dict[str, Any]] = {
    "words": TUTORIAL,
    "characters": TUTORIAL | CHARACTERS,
    "characters-ftz": TUTORIAL | CHARACTERS,
    "pool-vectors": TUTORIAL | CHARACTERS,
}
MARKS = re.compile(r"([.!?,'/()])")
"""The tutorial's: sed -e "s/\\([.\\!?,'/()]\\)/ \\1 /g" | tr "[:upper:]" "[:lower:]"."""
REPEATABLE: dict[str, Any] = {"thread": 1, "verbose": 0}
"""With more threads no two trainings are alike."""


def main(job: dict[str, Any]) -> None:
    out, train = Path(job["out"]), Path("train.txt")
    lines = zip(job["train_labels"], map(prepared, job["train"]), strict=True)
    _write(train, [f"__label__{label} {text}" for label, text in lines])
    options = RECIPES[job["recipe"]] | REPEATABLE
    if job["recipe"] == "pool-vectors":
        options |= {"pretrainedVectors": str(_vectors(job, options))}
    model = fasttext.train_supervised(input=str(train), **options)
    if job["recipe"] == "characters-ftz":
        model.quantize(input=str(train), qnorm=True, retrain=True, cutoff=100_000, **REPEATABLE)
    # One name for both sizes: what a file holds is written in it.
    model.save_model(str(out / "model.bin"))


def prepared(text: str) -> str:
    """In small letters and one line, marks apart."""
    return " ".join(MARKS.sub(r" \1 ", text).lower().split())


def _vectors(job: dict[str, Any], options: dict[str, Any]) -> Path:
    """The vectors of the words of the pool and the training rows, learnt without labels, as text."""
    texts, file = Path("texts.txt"), Path("vectors.vec")
    _write(texts, [prepared(text) for text in [*job["train"], *job["pool"]]])
    same = {name: options[name] for name in ("dim", "bucket", "minn", "maxn")}
    model = fasttext.train_unsupervised(input=str(texts), **same, **REPEATABLE)
    words = model.get_words()
    lines = [f"{word} {' '.join(f'{value:.5f}' for value in model.get_word_vector(word))}" for word in words]
    _write(file, [f"{len(words)} {options['dim']}", *lines])
    return file


def _write(file: Path, lines: Sequence[str]) -> None:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
