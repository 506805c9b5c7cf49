"""The pool: unlabelled texts that students learn from, none of which measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.ingest.split import Record, share
from tasks.kinds.base.kind import Kind, Row


def pool_of(
    kind: Kind, splits: Mapping[str, Sequence[Record]], further: Sequence[Row], longest: int, seed: int
) -> list[str]:
    """Unlabelled texts of training rows and further ones, none of which measures.

    Args:
        longest: words a text has at most.
        seed: of their order, which makes every beginning a fair sample.
    """
    measure = [record for side, records in splits.items() if side != "train" for record in records]
    measuring = {record.content for record in measure}
    measuring |= {  # of kinds that see the label with it, the text alone
        kind.data.content({"text": record.values["text"]}) for record in measure if "text" in record.values
    }
    if further:  # it may hold them whole, of which pieces would be left
        pieces = (
            piece
            for record in measure
            for role in ("text", "label")  # of models that write labels are texts, too
            for piece in kind.data.pool({"pool": record.values.get(role, "")}, longest)
        )
        measuring |= {kind.data.content({"text": piece}) for piece in pieces}
    rows = [*(record.values for record in splits["train"]), *further]
    texts = {text for row in rows for text in kind.data.pool(row, longest)}
    fresh = [text for text in texts if kind.data.content({"text": text}) not in measuring]
    return sorted(fresh, key=lambda text: (share(seed, text), text))
