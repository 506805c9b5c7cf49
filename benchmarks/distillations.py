"""What the ablation of distillation compares: one list of variants, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN = "logits only"

SHARES = {"drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.1}
"""How rows are reworded where params do not reword them."""
RELATIONS = {"layer": 1, "heads": 16}
"""Which relations are imitated where params imitate none."""
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
        **{"hidden": None, "relations": None, "rewording": None},
    }
    hidden, relations = {"hidden": {"weight": 1.0}}, _relations(section)
    reworded = {"rewording": {**(section["rewording"] or SHARES), "copies": 2}}
    once = rows * section["repeats"] + section["pool"]

    def passes(seen: int) -> dict[str, int]:
        epochs = max(1, round(section["epochs"] * once / seen))
        return {"epochs": epochs, "patience": max(epochs, section["patience"])}

    changes: dict[str, Section] = {
        "as in params.yaml": {**section},
        PLAIN: {},
        "+ hidden states": hidden,
        "+ hidden states, weight 10": {"hidden": {"weight": 10.0}},
        "+ relations": relations,
        "+ relations, weight 10": _relations(section, weight=10.0),
        "+ relations, weight 100": _relations(section, weight=100.0),
        "+ relations of the teacher's last layer but one": _relations(section, layer=2),
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


def _relations(section: Section, **changed: Any) -> dict[str, Any]:
    """Those of params, of weight 30, changed."""
    return {"relations": {**RELATIONS, **(section["relations"] or {}), "weight": 30.0, **changed}}
