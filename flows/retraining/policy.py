"""How a run is retrained.

`retrain.<run>` of params.yaml, beside `runs`, because none of it changes what a stage makes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from tasks.core import params
from tasks.core.errors import ParamsError, did_you_mean
from tasks.core.params import Section


class Card(Section):
    """What no figure tells; it stands in the model card as it is said here."""

    intended_use: str = Field(description="what the model is for")
    limits: str = Field(description="what it is not for, and where it is known to fail")
    data_licence: str = Field(description="of the raw data")
    model_licence: str = Field(description="of the pretrained model")


def _label(text: str) -> str:
    """Labels are compared without blanks around them.

    Another would meet no row, or leave its rows without label.
    """
    if not text or text != text.strip():
        raise ValueError("must be a label, without blanks around it")
    return text


Label = Annotated[str, AfterValidator(_label)]


class Policy(Section):
    settle_seconds: float = Field(
        ge=0, le=86_400, description="a file that changed more recently is still being written"
    )
    min_new_rows: int = Field(
        ge=1, le=10_000_000, description="rows that have to come together before a challenger is trained"
    )
    largest_file: float = Field(
        gt=1, le=1000, description="times the usual size of a file; a larger one is set aside whole"
    )
    unseen_labels: Literal["refuse", "extend"] = Field(
        description="rows with a label that no training row has: set aside, or kept until there are enough "
        "of them for a class"
    )
    map_labels: dict[Label, Label] = Field(
        description="label as it arrives -> label that is meant; {} for none"
    )
    on_shift: Literal["refuse", "tell"] = Field(
        description="what becomes of a file beyond one of the bounds below: set aside, or only told"
    )
    max_label_shift: float = Field(
        ge=0, le=1, description="Cramér's V between the labels that arrive and those of the training rows"
    )
    max_length_shift: float = Field(ge=0, le=1, description="Kolmogorov-Smirnov distance between the lengths")
    max_content_shift: float = Field(
        ge=0.5,
        le=1,
        description="how well a linear model tells new rows from training rows: area under the ROC curve, "
        "0.5 is not at all",
    )
    max_surprise: float = Field(
        ge=0,
        le=1,
        description="share of decisions that the champion misses more often on a file's labels than on the "
        "frozen test rows",
    )
    start: Literal["pretrained", "champion"] = Field(
        description="the challenger's teacher begins as the pretrained model, or as the champion's teacher"
    )
    seeds: int = Field(
        ge=1,
        le=100,
        description="trainings by which the spread between seeds is measured, once; 1: it is not",
    )
    margin: float = Field(
        ge=0, lt=1, description="differences of the headline figure up to this size do not matter"
    )
    promote_if: Literal["better", "no worse"] = Field(
        description="a challenger is promoted if it is better on a test set, or already if it is no "
        "different; never if it is worse on one"
    )
    max_class_fall: float = Field(ge=0, le=1, description="that the F1 of a class may fall, beyond noise")
    max_slowdown: float = Field(
        ge=1, le=100, description="times the champion's latency that the challenger may take"
    )
    max_growth: float = Field(
        ge=1, le=100, description="times the champion's bytes that the challenger may have"
    )
    publish: Literal["main", "branch"] = Field(
        description="commits go to the branch that is checked out, or to `retrain/<run>` with the text of a "
        "pull request"
    )
    push: bool = Field(description="push to the DVC remote and the git remote, where there are any")
    card: Card = Field(description="what the model card says beside the figures")


def read_all(root: Path) -> dict[str, Policy]:
    """Run -> how it is retrained, for each run that params.yaml names below `retrain`.

    Raises:
        ParamsError: with every fault in it.
    """
    file = root / "params.yaml"
    runs = params.read(file)
    found = params.document(file).get("retrain")
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise ParamsError(
            "params.yaml", f"retrain = {found!r}: must be a mapping of runs; docs/retraining.md shows one"
        )
    faults = [
        f"retrain.{run}: there is no run `{run}`{did_you_mean(str(run), runs)}"
        for run in found
        if run not in runs
    ]
    policies = {}
    for run, section in found.items():
        try:
            policies[str(run)] = Policy.model_validate(section)
        except ValidationError as error:
            faults += [
                _told(str(run), detail["loc"], detail["msg"], detail["type"], detail["input"])
                for detail in error.errors()
            ]
    if faults:
        raise ParamsError("params.yaml", *faults)
    return policies


def read(root: Path, run: str) -> Policy:
    """The retraining policy of a run.

    Raises:
        ParamsError: it is not said how the run is retrained, or there are faults in it.
    """
    policies = read_all(root)
    if run not in policies:
        fault = f"retrain.{run}: is missing; docs/retraining.md has a section to copy"
        raise ParamsError("params.yaml", f"{fault}{did_you_mean(run, policies)}" if policies else fault)
    return policies[run]


def _told(run: str, location: tuple[int | str, ...], message: str, kind: str, value: object) -> str:
    at = ".".join(["retrain", run, *map(str, location)])
    if kind == "missing":
        field = Policy.model_fields.get(str(location[0]))
        return f"{at}: is missing ({field.description if field else 'a text'})"
    if kind == "extra_forbidden":
        return f"{at}: unknown key{did_you_mean(str(location[-1]), Policy.model_fields)}"
    return f"{at} = {value!r}: {message[:1].lower()}{message[1:]}"
