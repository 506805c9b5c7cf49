"""The model card of a run: what the model is, where it comes from, what it is for, how good it is, and how to
use and repeat it.

    slipway card RUN

Written from what is in the checkout and in git: dvc.lock, params.yaml, the stages' figures, the report of
ingest, and the registry. The same checkout gives the same bytes. The headings follow Mitchell et al., Model
Cards for Model Reporting (2019).
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from flows.retraining.record import card_figures
from flows.retraining.record.card_facts import Facts, gather
from flows.retraining.record.card_text import NOT_KNOWN, code, literal, megabytes, named, paragraphs, table
from tasks.kinds.base.kind import known_kinds, load_kind
from tasks.launch.command import Command

NOT_STATED = "Not stated."
FILES_SHOWN = 20
IMPORTED_AS = {"pillow": "PIL"}


def markdown(root: Path, run: str) -> str:
    """The card of what the checkout `root` holds of the run.

    Raises:
        ParamsError: params.yaml has no such run.
        DataError: a file is there and cannot be read.
    """
    facts = gather(root, run)
    tag = (facts.champion or {}).get("tag")
    parts = [
        f"# Model card: {code(tag or run)}",
        *_what(facts),
        *_lineage(facts),
        *_data(facts),
        *_licences(facts),
        *_use(facts),
        *card_figures.quality(facts),
        *card_figures.hardware(facts),
        *_load(facts),
        *_repeat(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _what(facts: Facts) -> list[str]:
    made, size = facts.metrics.get("quantize", {}), facts.settings.get("input_size")
    final = facts.metrics.get("benchmark", {}).get("final", {})
    rows = [
        ["task", literal(_task(facts))],
        ["labels", _labels(facts)],
        ["model", f"{code(facts.shipped())}, md5 {code(facts.md5() or '')}"],
        ["size", megabytes(made.get("bytes"))],
        ["parameters", f"{final['parameters']:,}" if "parameters" in final else NOT_KNOWN],
        ["number format", literal(facts.settings.get("quantize", {}).get("format", NOT_KNOWN))],
        ["largest input", f"{literal(size)} (tokens of a text, pixels of a picture's side)"],
        ["made from", named(facts.settings.get("pretrain", {}).get("source", {})) or NOT_KNOWN],
    ]
    about = (
        "A pretrained model, fine-tuned on labelled rows, cut down, taught again by its larger self and "
        "quantized; by Slipway."
    )
    return ["## What it is", about, table(["", ""], rows), *_standing(facts)]


def _standing(facts: Facts) -> list[str]:
    champion = facts.champion
    if champion is None:
        return [
            f"**Not promoted**: there is no `registry/{facts.run}/champion.json`. This card tells of what "
            "the checkout holds."
        ]
    former = champion.get("former")
    before = f"It took the place of version {literal(former)}." if former is not None else "It is the first."
    told = [
        f"Champion of the run since {literal(champion.get('since'))}, version "
        f"{literal(champion.get('version'))}. {before}"
    ]
    if champion.get("md5") != facts.md5():
        told.append(
            f"**The checkout holds another model than the champion** (md5 {code(champion.get('md5'))}): "
            f"what is told below is not the champion's. `git checkout` of {code(champion.get('tag'))} "
            "brings it back."
        )
    if by := champion.get("by"):
        told.append(f"Brought by {literal(by)}: {literal(champion.get('why', ''))}")
    if verdict := champion.get("verdict"):
        told += ["Why it was promoted:", _verdict(verdict)]
    return told


def _verdict(verdict: object) -> str:
    if not isinstance(verdict, dict):
        return literal(verdict)
    return table(["verdict", ""], [[literal(name), named(value)] for name, value in verdict.items()])


def _labels(facts: Facts) -> str:
    intake = facts.intake or {}
    names = list(intake.get("classes", {}))
    return f"{literal(intake.get('labels', NOT_KNOWN))}{': ' + named(names) if names else ''}"


def _lineage(facts: Facts) -> list[str]:
    raw = [one for one in facts.reads("ingest") if one["path"] == f"data/raw/{facts.run}"]
    environment = [one for one in facts.reads("quantize") if one["path"].startswith("requirements/")]
    rows = [["raw data" if one in raw else "environment", *_hashed(one)] for one in [*raw, *environment]]
    rows += [[stage, *_hashed(out)] for stage in facts.locked for out in facts.outputs(stage)]
    if not rows:
        return ["## Lineage", "dvc.lock knows nothing of this run: it has not been run here."]
    tag = (facts.champion or {}).get("tag")
    where = (
        f"The commit is the one that the git tag {code(tag)} names."
        if tag
        else "There is no tag yet: not promoted."
    )
    told = f"{where} Hashes are those of dvc.lock; each stage's code and values stand there, too."
    return ["## Lineage", told, table(["", "path", "md5", "size"], rows)]


def _hashed(entry: object) -> list[str]:
    one = entry if isinstance(entry, dict) else {}
    return [code(one.get("path", "")), code(one.get("md5", "")), megabytes(one.get("size"))]


def _data(facts: Facts) -> list[str]:
    intake, settings = facts.intake, facts.settings.get("ingest", {})
    if intake is None:
        return ["## Data", "Ingest has not been run here."]
    rows = [
        ["sources", named(facts.sources) or NOT_KNOWN],
        ["rows", named(intake.get("rows", {}))],
        ["unlabelled texts", literal(intake.get("pool", NOT_KNOWN))],
        ["set aside", named(intake.get("rejected", {})) or "none"],
        ["mended", named(intake["cleaned"]) or "nothing" if "cleaned" in intake else NOT_KNOWN],
        ["columns", named(settings.get("columns", {}))],
        [
            "split",
            f"{literal(settings.get('split'))}, seed {literal(settings.get('split_seed'))}; near duplicates "
            "never on two sides",
        ],
    ]
    parts = ["## Data", table(["", ""], rows)]
    if "classes" not in intake:
        return [
            *parts,
            "Rows by class are in the artifact of ingest, which is not in the checkout this was written "
            "from.",
        ]
    splits = list(intake["rows"])
    classes = [
        [literal(name), *(str(count.get(split, 0)) for split in splits)]
        for name, count in intake["classes"].items()
    ]
    parts += [table(["class", *splits], classes)]
    files = intake.get("files", [])
    lines = [
        [literal(one["file"]), literal(one["encoding"] or NOT_KNOWN), literal(one["rows"])]
        for one in files[:FILES_SHOWN]
    ]
    more = [f"And {len(files) - FILES_SHOWN} more files."] if len(files) > FILES_SHOWN else []
    return [*parts, table(["file", "encoding", "rows"], lines), *more]


def _licences(facts: Facts) -> list[str]:
    rows = [
        [about, " ".join(_said(facts, key))]
        for about, key in (("data", "data_licence"), ("pretrained model", "model_licence"))
    ]
    return ["## Licences", table(["of", "licence"], rows)]


def _task(facts: Facts) -> str:
    name = facts.settings.get("kind")
    return load_kind(str(name)).task.replace("_", " ") if name in known_kinds() else NOT_KNOWN


def _use(facts: Facts) -> list[str]:
    return ["## Intended use", *_said(facts, "intended_use"), "## Limits", *_said(facts, "limits")]


def _said(facts: Facts, key: str) -> list[str]:
    text = facts.said.get(key)
    return (paragraphs(text) if isinstance(text, str) else []) or [NOT_STATED]


def _load(facts: Facts) -> list[str]:
    """The lines of docs/ship.md for the run's kind, with the run's own folder."""
    kind = re.escape(str(facts.settings.get("kind")))
    found = re.search(rf"<!-- serve {kind} -->\n```python\n(.*?)```", facts.manual, re.DOTALL)
    if found is None:
        return ["## How to load it", f"`slipway predict {facts.run} INPUT`"]
    lines = re.sub(r"data/[\w-]+/quantize/out", facts.shipped(), found[1])
    pins = [pin for pin in facts.pins if _is_imported(pin.partition("==")[0], lines)]
    needs = (
        f"Needs {', '.join(map(code, pins))} and the folder {code(facts.shipped())}, no torch and "
        "nothing of Slipway:"
    )
    return ["## How to load it", needs, f"```python\n{lines}```"]


def _is_imported(package: str, lines: str) -> bool:
    return (
        re.search(
            rf"^(import|from)\b.*\b{re.escape(IMPORTED_AS.get(package, package))}\b", lines, re.MULTILINE
        )
        is not None
    )


def _repeat(facts: Facts) -> list[str]:
    tag = (facts.champion or {}).get("tag")
    lines = [f"git checkout '{re.sub(r'[^A-Za-z0-9@._-]', '', str(tag))}'"] if tag else []
    lines += [
        f"dvc pull {facts.shipped()}  # only the model, from the DVC remote",
        f"make repro RUN={facts.run}  # or all of it, anew",
    ]
    told = (
        "The same type of machine and what `requirements/*.lock` pins give the same bytes; `dvc.lock` "
        "tells whether they did."
    )
    return ["## How to repeat it", "```sh\n" + "\n".join(lines) + "\n```", told]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run of params.yaml")


def _run(given: argparse.Namespace) -> int:
    print(markdown(Path.cwd(), given.run), end="")
    return 0


COMMAND = Command("slipway card", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
