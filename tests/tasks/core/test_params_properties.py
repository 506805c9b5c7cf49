"""Whatever stands in params.yaml.

It is a valid value, or told as a fault of the file; nothing else happens.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tasks.core import params, stages
from tasks.core.errors import ParamsError
from tasks.kinds.base.kind import known_kinds
from tests.smoke import PARAMS

MODELS = {name: stage.Params for name, stage in stages.load_all().items()}
KINDS = known_kinds()
RUN: dict[str, Any] = YAML(typ="safe", pure=True).load(PARAMS.replace("SHA256", "0" * 64))["runs"]["smoke"]
WORDS = st.sampled_from(
    [
        *[
            "~",
            "true",
            "no",
            "0",
            "-1",
            "1.5",
            "1e400",
            ".nan",
            "-.inf",
            "0o17",
            "0x1F",
            "1_000",
            "9" * 300,
            "9" * 4290,
            "9" * 5000,
        ],
        *[
            "2026-11-27",
            "2026-13-45",
            "2026-11-27T10:00:00Z",
            "12:30:45",
            "'on'",
            '"\\x1b[31m"',
            '"\\u202e"',
            "!!binary aGk=",
            "!!set {a, b}",
        ],
        *[
            "!!float 3",
            "!!str 1",
            "!!int x",
            "!!timestamp x",
            "!!python/object/apply:os.system [ls]",
            "!foo 1",
            "&a 1",
            "*a",
            "[]",
            "{}",
        ],
        *[
            "{a: &x [1], b: *x}",
            "{? [a] : 1}",
            "{1: 2, ~: 3, true: 4}",
            "[1, [2, [3]]]",
            "<<",
            "=",
            "bbc",
            "text/classification",
            "ä" * 500,
        ],
    ]
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
VALUES = WORDS | PLAIN.map(json.dumps)
KEYS = st.sampled_from(
    [
        "new",
        "~",
        "1",
        "true",
        "'a b'",
        '"\\n"',
        "kind",
        "seed",
        "2026-11-27",
        "? [x]\n",
        ".nan",
        '"\\x1b"',
        "x" * 200,
    ]
)


def paths(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = (
        [path for key, one in value.items() for path in paths(one, (*at, key))]
        if isinstance(value, dict)
        else []
    )
    return [at, *below] if at else below


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The valid file with one to three of its values replaced by anything, or keys added."""
    run = copy.deepcopy(RUN)
    marks: dict[str, str] = {}
    for number in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(paths(run)))
        place = run
        for name in parents:
            place = place[name]
        if draw(st.booleans()):
            marks[f'"MARK{number}"'] = draw(VALUES)
            place[last] = f"MARK{number}"
        else:
            marks[f'"KEY{number}":'] = f"{draw(KEYS)}: "
            place[f"KEY{number}"] = 1
    text = json.dumps({"runs": {"smoke": run}})
    for mark, value in marks.items():
        text = text.replace(mark, value)
    return text


@settings(
    max_examples=120,
    derandomize=True,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(text=mutated())
def test_any_value_at_any_place_is_valid_or_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        checked = params.check(params.read(file), MODELS, KINDS)
    except ParamsError as error:
        said = str(error)
        assert said.startswith("params.yaml")
        assert all(sign.isprintable() or sign == "\n" for sign in said), said
        assert len(said) < 20_000
        said.encode()
    else:
        json.dumps(
            {stage: section.model_dump() for stage, section in checked["smoke"].items()}, allow_nan=False
        )


@settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(
    content=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "params.yaml"
    for begin in (b"", b"runs:\n  smoke: "):
        file.write_bytes(begin + content)
        try:
            params.check(params.read(file), MODELS, KINDS)
        except ParamsError as error:
            str(error).encode()
