"""How texts that a model writes are measured against the right ones.

Per row: ROUGE-1, -2 and -L (Lin, 2004; package rouge-score), exact match and the F1 of words (as SQuAD has
them), and the counts that chrF (Popovic, 2015) and BLEU (Papineni et al., 2002) of many rows are made of, as
sacrebleu counts them. Scores of a row have a mean; the two of counts are of all rows together.
"""

from __future__ import annotations

import functools
import re
import string
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.kinds.text.common import texts

if TYPE_CHECKING:
    from tasks.kinds.base.rows import Truth

HEADLINE = "rouge_l"
ROUGE = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": HEADLINE}
MEANS = (*ROUGE.values(), "exact_match", "word_f1")
"""Scores of a row, in the order of the statistics."""
CHARACTERS, WORDS = 6, 4
"""Orders of n-grams, of chrF and of BLEU."""
REPEATED, COPIED = 3, 5
"""Words in a run that is repeated, and in one that no one writes by chance as the prompt has it."""
RECALL_WEIGHT = 2.0
"""Of recall against precision in chrF."""
EAST_ASIAN = re.compile(f"[{texts.ALONE}]")
LATIN = re.compile(r"[a-z]", re.IGNORECASE)
ARTICLES = re.compile(r"\b(a|an|the)\b")


def statistics(answers: Any, truth: Truth) -> np.ndarray:
    """(n,) texts -> (n, s): one, the scores of MEANS, words of both, counts of chrF and of BLEU."""
    pairs = zip(map(str, answers), map(str, truth.labels), strict=True)
    return np.array([_of_pair(answer, right) for answer, right in pairs], dtype=np.float64)


def _of_pair(answer: str, right: str) -> list[float]:
    words = [texts.WORD.findall(text) for text in (answer, right)]
    exact = float(normal(answer) == normal(right))
    scores = [*_rouge(answer, right), exact, _word_f1(answer, right)]
    return [1.0, *scores, *map(len, words), *_characters(answer, right), *_words(answer, right)]


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """(..., s) sums of `statistics` -> each figure (...), from 0 to 1; `length_ratio` is words of the answers
    for each word of the right ones.
    """
    rows = np.maximum(sums[..., 0], 1)
    means = {name: sums[..., at] / rows for at, name in enumerate(MEANS, 1)}
    at = 1 + len(MEANS)
    said, right = sums[..., at], sums[..., at + 1]
    characters = sums[..., at + 2 : at + 2 + 3 * CHARACTERS]
    words = sums[..., at + 2 + 3 * CHARACTERS :]
    return {
        **means,
        "chrf": _chrf(characters),
        "bleu": _bleu(words),
        "length_ratio": said / np.maximum(right, 1),
    }


def normal(text: str) -> str:
    """Without case, punctuation, articles and further blanks: what exact match compares."""
    bare = text.casefold().translate(str.maketrans("", "", string.punctuation))
    return " ".join(ARTICLES.sub(" ", bare).split())


def _word_f1(answer: str, right: str) -> float:
    said, true = (Counter(texts.WORD.findall(normal(text))) for text in (answer, right))
    common = (said & true).total()
    return 2 * common / (said.total() + true.total()) if common else float(not said and not true)


def _rouge(answer: str, right: str) -> list[float]:
    found = _scorer(bool(LATIN.search(right)) and not EAST_ASIAN.search(right)).score(right, answer)
    return [found[name].fmeasure for name in ROUGE]


@functools.cache
def _scorer(latin: bool) -> Any:
    """The usual one of English, whose words lose their endings; of other scripts words, or characters."""
    from rouge_score import rouge_scorer

    if latin:
        return rouge_scorer.RougeScorer(list(ROUGE), use_stemmer=True)
    return rouge_scorer.RougeScorer(list(ROUGE), tokenizer=_Words())


class _Words:
    def tokenize(self, text: str) -> list[str]:
        return list(texts.WORD.findall(text.casefold()))


def _characters(answer: str, right: str) -> list[int]:
    """Of each order: n-grams of the answer, of the right text, of both."""
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    pairs = zip(*(extract_all_char_ngrams(text, CHARACTERS) for text in (answer, right)), strict=True)
    return [
        count
        for said, true in pairs
        for count in (said.total() if true else 0, true.total(), (said & true).total())
    ]


def _words(answer: str, right: str) -> list[int]:
    """Words of the answer and of the right text; of each order the n-grams of both, and of the answer."""
    from sacrebleu.metrics.helpers import extract_all_word_ngrams

    cut = _tokenizer(bool(EAST_ASIAN.search(right)))
    (said, long), (true, wanted) = (extract_all_word_ngrams(cut(text), 1, WORDS) for text in (answer, right))
    both = said & true
    orders = range(1, WORDS + 1)
    common = [sum(count for gram, count in both.items() if len(gram) == order) for order in orders]
    return [long, wanted, *common, *(max(0, long - order + 1) for order in orders)]


@functools.cache
def _tokenizer(east_asian: bool) -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="zh" if east_asian else "13a").tokenizer


def _chrf(counts: np.ndarray) -> np.ndarray:
    said, true, both = (counts[..., part::3] for part in range(3))
    there = (said > 0) & (true > 0)
    orders = np.maximum(there.sum(-1), 1)
    precision = (both / np.maximum(said, 1) * there).sum(-1) / orders
    recall = (both / np.maximum(true, 1) * there).sum(-1) / orders
    weight = RECALL_WEIGHT**2
    below = weight * precision + recall
    score: np.ndarray = np.where(
        below > 0, (1 + weight) * precision * recall / np.where(below > 0, below, 1), 0.0
    )
    return score


def _bleu(counts: np.ndarray) -> np.ndarray:
    """Orders without a common n-gram count as half a one, the second such as a quarter, and so on (the third
    smoothing of Chen and Cherry, 2014, as sacrebleu has it).
    """
    long, wanted = counts[..., 0], counts[..., 1]
    both, said = counts[..., 2 : 2 + WORDS], counts[..., 2 + WORDS :]
    halvings = np.cumsum(both == 0, axis=-1)
    shares = np.where(both > 0, both, 0.5**halvings) / np.maximum(said, 1)
    brevity = np.exp(np.minimum(0.0, 1 - wanted / np.maximum(long, 1)))
    score: np.ndarray = brevity * np.exp(np.log(np.maximum(shares, 1e-300)).mean(-1))
    return np.where((both.sum(-1) > 0) & (said.min(-1) > 0), score, 0.0)


def traits(rows: Sequence[Any], answers: Sequence[str]) -> dict[str, np.ndarray]:
    """What answers look like: empty ones; the share of trigrams that came before in the answer (rep-3 of
    Welleck et al., 2020); the share of words in a span of five that stands in the prompt; and of the longest
    span that does.
    """
    said = [[word.casefold() for word in texts.WORD.findall(answer)] for answer in answers]
    asked = [[word.casefold() for word in texts.WORD.findall(str(row["text"]))] for row in rows]
    pairs = [*zip(said, asked, strict=True)]
    return {
        "empty": np.array([float(not words) for words in said]),
        "repeated": np.array([_repeated(words) for words in said]),
        "copied": np.array([_copied(words, prompt) for words, prompt in pairs]),
        "longest_copy": np.array([_longest_copy(words, prompt) for words, prompt in pairs]),
    }


def _grams(words: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return [tuple(words[at : at + order]) for at in range(len(words) - order + 1)]


def _repeated(words: Sequence[str]) -> float:
    grams = _grams(words, REPEATED)
    return 1 - len({*grams}) / len(grams) if grams else 0.0


def _copied(words: Sequence[str], prompt: Sequence[str]) -> float:
    known = {*_grams(prompt, COPIED)}
    starts = [at for at, gram in enumerate(_grams(words, COPIED)) if gram in known]
    return len({at + step for at in starts for step in range(COPIED)}) / max(1, len(words))


def _longest_copy(words: Sequence[str], prompt: Sequence[str]) -> float:
    found = SequenceMatcher(None, words, prompt, autojunk=False).find_longest_match()
    return found.size / max(1, len(words))
