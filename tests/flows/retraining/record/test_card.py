"""The model card.

Of this repository's own run, of tiny models of each kind, and of data that would rather be Markdown.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from flows.retraining.record import card
from tasks.core import tables
from tasks.core.errors import DataError, ParamsError
from tasks.export import package
from tasks.finetune import stage as finetune
from tasks.kinds.base.kind import known_kinds, load_kind
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK

RUN = "bbc"
IN_GIT = ["params.yaml", "dvc.lock", "docs/ship.md", "requirements/tasks.lock", f"data/raw/{RUN}.dvc"]
HOSTILE = (
    "<img src=x> [a](https://a.example) ![b](https://b.example) `c` | *d* https://e.example "
    "www.f.example\n\n# g"
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What git has of `bbc`, without its artifacts."""
    figures = [
        path.relative_to(stage.ROOT).as_posix() for path in (stage.ROOT / "data" / RUN).glob("*/*.json")
    ]
    for name in [*IN_GIT, *figures]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(stage.ROOT / name, tmp_path / name)
    return tmp_path


def promote(root: Path, **changed: Any) -> None:
    model = f"data/{RUN}/quantize/out"
    given = {
        "run": RUN,
        "version": 3,
        "tag": "bbc@v3",
        "since": "2026-11-24T02:00:00Z",
        "former": 2,
        "model": model,
        "verdict": None,
    }
    write_json(root / "registry" / RUN / "champion.json", {**given, "md5": locked(root)[model], **changed})


def write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def say(root: Path, **texts: str) -> None:
    """Puts `retrain.<run>.card` into params.yaml."""
    document = YAML(typ="safe").load((root / "params.yaml").read_text(encoding="utf-8"))
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump({**document, "retrain": {RUN: {"card": texts}}}, file)


def locked(root: Path) -> dict[str, str]:
    document = YAML(typ="safe").load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return {
        out["path"]: out["md5"]
        for name, one in document.items()
        if name.endswith(f"@{RUN}")
        for out in one["outs"]
    }


def section(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].partition("\n## ")[0]


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ .*$", text, re.MULTILINE)


def test_card_traces_every_output_and_the_raw_data(checkout: Path) -> None:
    lineage, outs = section(card.markdown(checkout, RUN), "Lineage"), locked(checkout)
    assert len(outs) > 15
    assert [path for path, md5 in outs.items() if f"| `{path}` | `{md5}` |" not in lineage] == []
    pointer = YAML(typ="safe").load((checkout / f"data/raw/{RUN}.dvc").read_text(encoding="utf-8"))
    assert f"| raw data | `data/raw/{RUN}` | `{pointer['outs'][0]['md5']}` |" in lineage


def test_figures_stand_with_their_intervals_beside_teacher_and_baseline(checkout: Path) -> None:
    told = section(card.markdown(checkout, RUN), "Figures")
    figures = json.loads((checkout / f"data/{RUN}/benchmark/metrics.json").read_text(encoding="utf-8"))
    for variant in ("baseline", "teacher", "final"):
        value, low, high = (figures[variant][f"macro_f1{end}"] for end in ("", "_low", "_high"))
        assert f"{value:.3f} \\[{low:.3f}, {high:.3f}\\]" in told
    assert f"{figures['measured']['rows']} rows of the test split" in told


def test_same_checkout_gives_the_same_bytes_wherever_it_lies(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    promote(checkout)
    other = tmp_path_factory.mktemp("other") / "place"
    shutil.copytree(checkout, other)
    text = card.markdown(checkout, RUN)
    assert text == card.markdown(other, RUN)
    assert str(checkout) not in text
    assert re.findall(r"\d{4}-\d\d-\d\d\S*", text) == ["2026-11-24T02:00:00Z,"]


def test_card_says_what_was_never_promoted_stated_or_run(checkout: Path) -> None:
    say(checkout)
    text = card.markdown(checkout, RUN)
    assert "**Not promoted**" in text
    assert [section(text, title).strip() for title in ("Intended use", "Limits")] == ["Not stated."] * 2
    assert section(text, "Licences").count("Not stated.") == 2
    shutil.rmtree(checkout / "data")
    (checkout / "dvc.lock").unlink()
    bare = card.markdown(checkout, RUN)
    assert headings(bare) == headings(text)
    assert "it has not been run here" in section(bare, "Lineage")
    assert "nothing is known" in section(bare, "Figures")


def test_champion_is_named_with_its_tag_verdict_and_what_params_say(checkout: Path) -> None:
    promote(checkout, verdict={"verdict": "better", "difference": {"low": 0.01, "high": 0.03}})
    say(checkout, intended_use="Sorting headlines.\n\nNothing else.", data_licence="research only")
    text = card.markdown(checkout, RUN)
    assert text.startswith("# Model card: `bbc@v3`\n")
    assert "It took the place of version 2." in text
    assert "| difference | low: 0.01, high: 0.03 |" in text
    assert "holds another model" not in text
    assert section(text, "Intended use").strip() == "Sorting headlines.\n\nNothing else."
    assert "| data | research only |" in text
    assert "git checkout 'bbc@v3'" in section(text, "How to repeat it")


def test_card_warns_where_the_checkout_holds_another_model_than_the_champion(checkout: Path) -> None:
    promote(checkout, md5="0" * 32, former=None)
    text = card.markdown(checkout, RUN)
    assert "**The checkout holds another model than the champion**" in text
    assert "It is the first." in text


def test_what_comes_from_data_and_params_stays_text(checkout: Path) -> None:
    plain = headings(card.markdown(checkout, RUN))
    intake = json.loads((checkout / f"data/{RUN}/ingest/metrics.json").read_text(encoding="utf-8"))
    files = [{"file": HOSTILE, "encoding": "utf-8", "rows": 1, "rescued": 0}]
    classes = {HOSTILE: {"train": 1, "test": 2}}
    report = {**intake, "classes": classes, "files": files, "rejected": {HOSTILE: 1}, "cleaned": {HOSTILE: 1}}
    write_json(checkout / f"data/{RUN}/ingest/out/report.json", report)
    pointer = checkout / f"data/raw/{RUN}.dvc"
    pointer.write_text(
        pointer.read_text(encoding="utf-8").replace("bbc-news", json.dumps(HOSTILE)), encoding="utf-8"
    )
    promote(checkout, tag="`<b>|", since=HOSTILE, verdict={HOSTILE: HOSTILE})
    say(checkout, **dict.fromkeys(("intended_use", "limits", "data_licence", "model_licence"), HOSTILE))
    text = card.markdown(checkout, RUN)
    assert headings(text)[1:] == plain[1:]
    tokens = [
        one
        for block in MarkdownIt("commonmark").enable("table").parse(text)
        for one in (block, *(block.children or []))
    ]
    assert not {one.type for one in tokens} & {"link_open", "image", "html_inline", "html_block", "em_open"}
    shown = [one.content for one in tokens if one.type == "inline"]
    assert len([one for one in shown if "e.example" in one]) == 13
    assert not re.search(r"https?://|www\.", text)
    said = "".join(one.content for one in tokens if one.type == "text" and one.content)
    assert (
        "<img src=x> [a](https://a.example) ![b](https://b.example) `c` | *d* https://e.example www.f.example"
        in said
    )


@pytest.mark.parametrize("kind", [name for name in known_kinds() if not load_kind(name).generation])
def test_lines_of_the_card_load_the_model_with_nothing_of_ours(kind: str, tmp_path: Path) -> None:
    run, given = "my-run", {"kind": kind, "options": tiny.OPTIONS[kind]}
    folder = tmp_path / "data" / run
    ingest, pretrained = (
        tiny.ingest_out(folder / "ingest" / "out", kind=kind),
        tiny.pretrained_for(kind, tmp_path / "pretrained"),
    )
    stage.run(
        "finetune",
        finetune.Inputs(ingest, pretrained),
        folder / "finetune",
        **given,
        **QUICK,
        freeze="none",
        pool_outputs=0,
    )
    student = quantize.Inputs(ingest, folder / "finetune" / "out")
    stage.run(
        "quantize",
        student,
        folder / "quantize",
        **given,
        format="fp32",
        max_difference=1e-4,
        min_agreement=1.0,
    )
    for name in ("docs/ship.md", "requirements/tasks.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(stage.ROOT / name, tmp_path / name)
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump({"runs": {run: given}}, file)
    loading = section(card.markdown(tmp_path, run), "How to load it")
    answer, own = package.load(folder / "quantize" / "out", kind), load_kind(kind)
    rows = tables.read(ingest / "validation.parquet")
    told = {row["id"]: answer(own.package.raw_input(row)) for row in rows}
    row = next(row for row in rows if "\t" in told[row["id"]] or "](" in told[row["id"]])
    entities = [
        f"{kind} {words}" for words, kind in re.findall(r"\[(.+?)\]\((\S+) [\d.]+\)", told[row["id"]])
    ]
    (tmp_path / "cell.png").write_bytes(row.get("image", b""))
    script = (
        loading.split("```python\n")[1]
        .split("```")[0]
        .replace("Film stars gather for the Oscars", row.get("text", ""))
    )
    without = "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'tasks']))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", without + script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:-1] == (entities or [told[row["id"]].partition("\t")[0]])
    assert "`onnxruntime==" in loading


def test_faults_are_told_without_a_traceback(checkout: Path) -> None:
    with pytest.raises(ParamsError, match=r"has no run 'bcc'; did you mean `bbc`\?"):
        card.markdown(checkout, "bcc")
    (checkout / f"data/{RUN}/benchmark/metrics.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=f"data/{RUN}/benchmark/metrics.json: is not readable as JSON"):
        card.markdown(checkout, RUN)
    command = [sys.executable, "-m", "flows.retraining.record.card", "../x"]
    done = subprocess.run(
        command,
        cwd=checkout,
        env={"PYTHONPATH": str(stage.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
