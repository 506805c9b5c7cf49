"""Keys that params.yaml had before: a message for each says what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.core.param_faults import flow, short

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Former:
    """Keys of a stage that became the section `into`."""

    into: str
    keys: Mapping[str, str]
    """Key of before -> its name in the section; empty where the key itself goes."""
    is_on: Callable[[Values], bool]
    """Whether the values of before had an effect."""
    shared: Mapping[str, str] = field(default_factory=dict)
    """As `keys`, but the key became part of another section, which speaks of it."""

    def value(self, section: Values) -> Any:
        """What to write: null, or the section."""
        if not self.is_on(section):
            return None
        if set(self.keys.values()) == {""}:
            return section[next(iter(self.keys))]
        names = {**self.keys, **self.shared}
        return {name: section[key] for key, name in names.items() if key in section}


def _widths(section: Values) -> bool:
    return any(section.get(size) is not None for size in ("hidden", "ffn", "widths"))


def _measures(section: Values) -> bool:
    layers = section.get("layers") is not None or section.get("depths") is not None
    by_widths = _widths(section) and section.get("importance") != "magnitude"
    return by_widths or (layers and section.get("layers_by") == "importance")


FORMER: Mapping[str, tuple[Former, ...]] = {
    "pretrain": (
        Former(
            "further",
            {name: name for name in ("steps", "batch_size", "learning_rate", "masked")},
            lambda section: section.get("steps") != 0,
        ),
    ),
    "finetune": (
        Former(
            "lora",
            {"lora_rank": "rank", "lora_alpha": "alpha"},
            lambda section: section.get("lora_rank") != 0,
        ),
    ),
    "prune": (
        Former("measured", {"batches": "batches", "batch_size": "batch_size"}, _measures),
        Former(
            "recovery",
            {"steps": "steps", "recovery_epochs": "epochs", "recovery_learning_rate": "learning_rate"},
            lambda section: section.get("steps") != 1,
            {"batch_size": "batch_size"},
        ),
    ),
    "distill": (
        Former(
            "rewording",
            {"augment": ""},
            lambda section: (
                not (isinstance(section["augment"], dict) and section["augment"].get("copies") == 0)
            ),
        ),
        Former("hidden", {"hidden_weight": "weight"}, lambda section: section["hidden_weight"] != 0),
        Former(
            "relations",
            {"relation_weight": "weight", "relation_layer": "layer", "relation_heads": "heads"},
            lambda section: section.get("relation_weight") != 0,
        ),
    ),
    "quantize": (
        Former(
            "calibration_rows",
            {"calibration_rows": ""},
            lambda section: section["calibration_rows"] != 0 or section.get("format") == "int8-static",
        ),
    ),
}
"""By stage."""


def replaced(stage: str, section: Values) -> dict[str, Former]:
    """Keys of this section that are from before, and what they became."""
    return {
        key: former
        for former in FORMER.get(stage, ())
        for key in former.keys
        if key in section and (former.into != key or (section[key] == 0 and not former.is_on(section)))
    }


def place_now(stage: str, key: str) -> str:
    """Where the value of a former key stands now, below its stage: `lora.rank`; empty for other keys."""
    former = replaced(stage, {key: None}).get(key)
    return ".".join(filter(None, [former.into, former.keys[key]])) if former else ""


def faults(at: str, section: Values, old: Mapping[str, Former]) -> Iterator[str]:
    """What to write in place of each key that is from before; `at`: where the section stands."""
    told = set()
    for key, former in old.items():
        found = f"{at}.{key} = {short(section[key])}"
        if former.into in told or (former.into in section and former.into != key):
            yield f"{found}: is part of {former.into} now; take it out here"
        else:
            yield f"{found}: write {former.into}: {flow(former.value(section))}"
        told.add(former.into)
