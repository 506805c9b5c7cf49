"""Values of params.yaml set for one run."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flows.checkout import overrides
from tasks.core import params
from tasks.core.errors import ParamsError
from tests.smoke import PARAMS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace("    prune:", "    # what remains\n    prune:"), encoding="utf-8")
    return path


def test_value_is_set_and_every_other_line_stays(file: Path) -> None:
    before = file.read_text().splitlines()
    said = overrides.apply(file, ["runs.smoke.prune.ffn=48", "runs.smoke.distill.best_by=headline"])
    changed = [
        (old.strip(), new.strip())
        for old, new in zip(before, file.read_text().splitlines(), strict=True)
        if old != new
    ]
    assert changed == [("ffn: 64", "ffn: 48"), ("best_by: divergence", "best_by: headline")]
    assert said == ["runs.smoke.prune.ffn 64 → 48", 'runs.smoke.distill.best_by "divergence" → "headline"']


def test_a_reason_takes_the_place_of_the_comment_behind_a_value_that_changes(file: Path) -> None:
    text = file.read_text().replace("ffn: 64", "ffn: 64  # by hand\n\n      # kept")
    file.write_text(text.replace("best_by: divergence", "best_by: divergence  # usual"))
    same = "runs.smoke.distill.best_by=divergence"
    overrides.apply(file, ["runs.smoke.prune.ffn=48", "runs.smoke.prune.layers=1", same], "found")
    written = file.read_text()
    assert re.search(r"ffn: 48 +# found\n\n      # kept\n", written)
    assert "layers: 1\n" in written
    assert "best_by: divergence  # usual" in written


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", "0.5"), ("[1, 2]", "[1, 2]"), ("'on'", '"on"'), ("{a: 1}", '{"a": 1}'), ("1e-4", "0.0001")],
)
def test_value_is_yaml(file: Path, text: str, value: str) -> None:
    assert overrides.apply(file, [f"runs.smoke.prune.ffn={text}"]) == [f"runs.smoke.prune.ffn 64 → {value}"]


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("runs.smoke.prune.fnn=1", "runs.smoke.prune.fnn: params.yaml has no such key; did you mean `ffn`?"),
        ("runs.smok.prune.ffn=1", "runs.smok.prune.ffn: params.yaml has no such key; did you mean `smoke`?"),
        ("runs.smoke.prune.ffn.x=1", "runs.smoke.prune.ffn.x: params.yaml has no such key"),
        ("prune.ffn=1", "must be KEY=VALUE"),
        ("runs.smoke.prune.ffn", "must be KEY=VALUE"),
        ("runs.smoke.prune.ffn=[&a [1, 2], *a]", "has anchors or aliases"),
        ("runs.smoke.prune.ffn=[", "the value '[' is no YAML"),
        ("runs.smoke.prune.ffn=!!python/object/apply:os.system [ls]", "is no YAML"),
    ],
)
def test_what_cannot_be_set_is_told_and_nothing_is_written(file: Path, override: str, fault: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ParamsError, match=r"overrides") as error:
        overrides.apply(file, ["runs.smoke.prune.ffn=8", override])
    assert fault in str(error.value)
    assert file.read_bytes() == before


def test_all_faults_are_told_at_once(file: Path) -> None:
    with pytest.raises(ParamsError) as error:
        overrides.apply(file, ["runs.smoke.prune.fnn=1", "runs.x.y=1"])
    assert len(error.value.faults) == 2


ANCHORED = """\
# at the top
runs:
  one: &one
    kind: k  # of texts
    prune: &prune
      ffn: 8   # channels
      augment: &augment {copies: 0, drop: 0.1}
    distill: {pool: 3, augment: *augment}
    sizes: &sizes [1, 2]

  two:
    kind: k
    prune: *prune
    sizes: *sizes
  # takes all of it in
  three:
    <<: *one
    kind: other
  four:
    <<: [*one, {extra: 1}]
    prune: {<<: *prune, ffn: 9}
"""


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("runs.one.prune.ffn=1", {"one.prune.ffn": 1}),
        ("runs.two.prune.ffn=1", {"two.prune.ffn": 1}),
        ("runs.three.prune.ffn=1", {"three.prune.ffn": 1}),
        ("runs.four.prune.ffn=1", {"four.prune.ffn": 1}),
        ("runs.one.kind=x", {"one.kind": "x"}),
        ("runs.one.prune.augment.copies=5", {"one.prune.augment.copies": 5}),
        ("runs.one.distill.augment.copies=5", {"one.distill.augment.copies": 5}),
        ("runs.four.distill.augment.copies=5", {"four.distill.augment.copies": 5}),
        ("runs.one.sizes=[7]", {"one.sizes": [7]}),
        ("runs.four.extra=2", {"four.extra": 2}),
        ("runs.one.prune={ffn: 2}", {"one.prune": {"ffn": 2}}),
    ],
)
def test_what_runs_share_by_anchors_changes_for_the_named_run_alone(
    tmp_path: Path, override: str, changed: dict[str, Any]
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(ANCHORED, encoding="utf-8")
    before = plain(params.read(file))
    overrides.apply(file, [override])
    assert plain(params.read(file)) == replaced(before, changed)
    assert comments(ANCHORED) <= comments(file.read_text(encoding="utf-8"))


def plain(value: Any) -> Any:
    """Without anything shared."""
    return copy.deepcopy(json.loads(json.dumps(value)))


def replaced(runs: Any, changed: dict[str, Any]) -> Any:
    for key, value in changed.items():
        *parents, last = key.split(".")
        place = runs
        for name in parents:
            place = place[name]
        place[last] = value
    return runs


def comments(text: str) -> set[str]:
    return {line.partition("#")[2].strip() for line in text.splitlines() if "#" in line}


@pytest.mark.parametrize(("newline", "begin"), [("\r\n", ""), ("\n", "\ufeff"), ("\r\n", "\ufeff")])
def test_line_ends_and_byte_order_mark_stay(file: Path, newline: str, begin: str) -> None:
    text = begin + file.read_text(encoding="utf-8").replace("\n", newline)
    file.write_bytes(text.encode())
    overrides.apply(file, ["runs.smoke.prune.ffn=48"])
    assert file.read_bytes() == text.replace("ffn: 64", "ffn: 48").encode()


@pytest.mark.parametrize(
    "item",
    ["        sizes:\n        - 1\n", "        sizes:\n            - 1\n", "        sizes:\n          - 1\n"],
)
def test_indentation_stays(tmp_path: Path, item: str) -> None:
    file = tmp_path / "params.yaml"
    text = f"runs:\n    one:\n{item}        ffn: 1\n"
    file.write_text(text, encoding="utf-8")
    overrides.apply(file, ["runs.one.ffn=2"])
    assert file.read_text(encoding="utf-8") == text.replace("ffn: 1", "ffn: 2")


QUICK = (Phase.explicit, Phase.generate)
NAMES = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(
    st.integers(-9, 9), st.booleans(), st.none(), st.sampled_from([0.5, 1e-4, "on", "x y", "1", ""])
)


@st.composite
def documents_with_anchors(draw: st.DrawFn) -> str:
    """Three runs of three sections, each written out, an alias of one before, or taken in by a merge key."""
    anchors: list[str] = []
    lines = ["runs:"]
    for run in ("one", "two", "three"):
        whole = draw(st.sampled_from([None, *[name for name in anchors if name.startswith("run")]]))
        lines += [
            f"  {run}: &run-{run}  # run {run}",
            *([f"    <<: *{whole}"] if whole else [f"    kind: {run}"]),
        ]
        for section in draw(st.sets(NAMES, min_size=1)):
            taken = [name for name in anchors if not name.startswith("run")]
            how = draw(st.sampled_from(["written", "alias", "merge", "merges"] if taken else ["written"]))
            if how == "alias":
                lines.append(f"    {section}: *{draw(st.sampled_from(taken))}")
                continue
            anchor = f"s{len(anchors)}"
            sources = (
                draw(st.lists(st.sampled_from(taken), min_size=1, max_size=3))
                if how.startswith("merge")
                else []
            )
            merge = (
                f"      <<: [{', '.join(f'*{name}' for name in sources)}]"
                if how == "merges"
                else f"      <<: *{sources[0]}"
                if sources
                else ""
            )
            own = draw(st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2), min_size=1))
            lines += [f"    {section}: &{anchor}  # section {anchor}", *([merge] if merge else [])]
            lines += [f"      {key}: {json.dumps(value)}" for key, value in own.items()]
            anchors.append(anchor)
        anchors.append(f"run-{run}")
    return "\n".join(lines) + "\n"


@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    phases=QUICK,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=documents_with_anchors(), data=st.data())
def test_exactly_the_named_value_changes_whatever_is_shared(
    tmp_path: Path, text: str, data: st.DataObject
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text, encoding="utf-8")
    runs = plain(params.read(file))
    run = data.draw(st.sampled_from(sorted(runs)))
    paths = [run] + [f"{run}.{key}" for key in runs[run]]
    paths += [
        f"{run}.{key}.{name}"
        for key, section in runs[run].items()
        if isinstance(section, dict)
        for name in section
    ]
    key, value = data.draw(st.sampled_from(paths[1:])), data.draw(SCALARS | st.lists(SCALARS, max_size=2))
    overrides.apply(file, [f"runs.{key}={json.dumps(value)}"])
    assert plain(params.read(file)) == replaced(copy.deepcopy(runs), {key: value})
    if not isinstance(at(runs, key), dict):  # with a section that is replaced its own comments go
        assert comments(text) <= comments(file.read_text(encoding="utf-8"))


def at(runs: Any, key: str) -> Any:
    for name in key.split("."):
        runs = runs[name]
    return runs


def test_a_section_is_switched_on_and_off_as_a_whole(file: Path) -> None:
    before = file.read_text(encoding="utf-8")
    assert "lora: null" in before
    assert overrides.apply(file, ["runs.smoke.finetune.lora={rank: 8, alpha: 16.0}"]) == [
        'runs.smoke.finetune.lora null → {"rank": 8, "alpha": 16.0}'
    ]
    overrides.apply(file, ["runs.smoke.finetune.lora.rank=4"])
    assert params.read(file)["smoke"]["finetune"]["lora"] == {
        "rank": 4,
        "alpha": 16.0,
    }
    overrides.apply(file, ["runs.smoke.finetune.lora=null"])
    assert file.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "runs.smoke.finetune.lora.rank=8",
            "runs.smoke.finetune.lora is null in params.yaml; set all of it: runs.smoke.finetune.lora={",
        ),
        (
            "runs.smoke.finetune.lora_rank=8",
            "runs.smoke.finetune.lora_rank: is runs.smoke.finetune.lora.rank now",
        ),
        ("runs.smoke.distill.augment={}", "runs.smoke.distill.augment: is runs.smoke.distill.rewording now"),
    ],
)
def test_what_cannot_be_set_says_what_can(file: Path, override: str, said: str) -> None:
    with pytest.raises(ParamsError) as caught:
        overrides.apply(file, [override])
    assert said in str(caught.value)
