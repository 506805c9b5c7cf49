"""What the ablation of distillation compares: one list of variants, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN = "logits only"

Section = Mapping[str, Any]


def variants(section: Section, rows: int, words: bool) -> dict[str, dict[str, Any]]:
    """Name -> the section `distill`. All but the first differ from `logits only`, which is what params ask
    for less all extras.

    Args:
        rows: labelled rows; where the transfer set grows or shrinks the passes over it do the opposite, so
            that the steps stay as many.
        words: whether rows can be reworded.
    """
    plain = {
        **section,
        "hidden_weight": 0.0,
        "relation_weight": 0.0,
        "augment": {**section["augment"], "copies": 0},
    }
    hidden, relations = {"hidden_weight": 1.0}, {"relation_weight": 30.0}
    reworded = {"augment": {**section["augment"], "copies": 2}}
    once = rows * section["repeats"] + section["pool"]

    def passes(seen: int) -> dict[str, int]:
        epochs = max(1, round(section["epochs"] * once / seen))
        return {"epochs": epochs, "patience": max(epochs, section["patience"])}

    changes: dict[str, Section] = {
        "as in params.yaml": {**section},
        PLAIN: {},
        "+ hidden states": hidden,
        "+ hidden states, weight 10": {"hidden_weight": 10.0},
        "+ relations": relations,
        "+ relations, weight 10": {"relation_weight": 10.0},
        "+ relations, weight 100": {"relation_weight": 100.0},
        "+ relations of the teacher's last layer but one": {**relations, "relation_layer": 2},
        "+ hidden states + relations": {**hidden, **relations},
    }
    if words:
        changes["+ 2 variations of each row"] = reworded
        changes["+ 2 variations of each row, as many steps"] = {**reworded, **passes(once + 2 * rows)}
        changes["+ hidden states + relations + 2 variations"] = {**hidden, **relations, **reworded}
    for share in (0, 0.25, 0.5) if section["pool"] else ():
        pool = int(share * section["pool"])
        changes[f"pool of {pool}, as many steps"] = {"pool": pool, **passes(rows * section["repeats"] + pool)}
    changes.update({f"label weight {weight:g}": {"label_weight": weight} for weight in (0.0, 0.1, 0.5)})
    changes.update({f"temperature {degree:g}": {"temperature": degree} for degree in (1.0, 2.0, 4.0)})
    return {name: {**plain, **change} for name, change in changes.items()}
