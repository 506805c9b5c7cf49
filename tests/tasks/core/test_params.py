"""Every fault of params.yaml is told, all at once, in words that say what to write instead."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tasks.core import documents, params, stages
from tasks.core.errors import ParamsError
from tasks.kinds.base.kind import known_kinds
from tests import tiny

ROOT = Path(__file__).resolve().parents[3]
MODELS = {name: stage.Params for name, stage in stages.load_all().items()}
GONE = object()
NER = tiny.OPTIONS["text/tagging"]


def faults(**changed: Any) -> str:
    """The message for the committed file with `stage__field=value` changed, or removed by GONE."""
    runs = copy.deepcopy(params.read(ROOT / "params.yaml"))
    for path, value in changed.items():
        *sections, last = path.split("__")
        section = runs["bbc"]
        for name in sections:
            section = section[name]
        if value is GONE:
            del section[last]
        else:
            section[last] = value
    with pytest.raises(ParamsError) as caught:
        params.check(runs, MODELS, known_kinds())
    return str(caught.value)


def test_committed_params_are_in_order() -> None:
    checked = params.check(params.read(ROOT / "params.yaml"), MODELS, known_kinds())
    assert list(checked) == ["bbc"]
    assert list(checked["bbc"]) == list(MODELS)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"prune__vocabluary": 8000}, "runs.bbc.prune.vocabluary: unknown key; did you mean `vocabulary`?"),
        ({"sede": 1}, "runs.bbc.sede: unknown key; did you mean `seed`?"),
        ({"distil": {}}, "runs.bbc.distil: unknown key; did you mean `distill`?"),
        (
            {"prune__ffn": 1.2},
            "runs.bbc.prune.ffn = 1.2: must be a whole number, at least 8, at most 65536, a multiple of 8 "
            "(feed-forward",
        ),
        (
            {"prune__ffn": 12},
            "runs.bbc.prune.ffn = 12: must be a whole number, at least 8, at most 65536, a multiple of 8",
        ),
        (
            {"prune__widths": [16, 12]},
            "prune.widths.1 = 12: must be a whole number, at least 8, at most 65536, a multiple of 8",
        ),
        ({"prune__ffn": "512"}, "runs.bbc.prune.ffn = '512': must be a whole number"),
        (
            {"finetune__learning_rate": "1e-5"},
            "runs.bbc.finetune.learning_rate = '1e-5': must be a number, above 0, at most 0.1",
        ),
        (
            {"finetune__dropout": 1.0},
            "runs.bbc.finetune.dropout = 1.0: must be a number, at least 0, below 1",
        ),
        (
            {"finetune__freeze": "all"},
            "runs.bbc.finetune.freeze = 'all': must be 'none', 'embeddings' or 'encoder'",
        ),
        ({"ingest__header": "yes"}, "runs.bbc.ingest.header = 'yes': must be true or false"),
        ({"seed": -1}, "runs.bbc.seed = -1: must be a whole number, at least 0"),
        ({"distill__seed": 1}, "runs.bbc.distill.seed: unknown key; `seed` stands once, at runs.bbc.seed"),
        (
            {"kind": "text_clasification"},
            "runs.bbc.kind = 'text_clasification': unknown kind; there are: image/classification, "
            "text/classification",
        ),
        ({"options": {"scheme": "bio"}}, "runs.bbc.options.scheme: unknown key"),
        (
            {"kind": "text/tagging", "options": {**NER, "scheme": "iob9"}},
            "scheme = 'iob9': must be 'bio', 'iob1' or 'bioes'",
        ),
        (
            {"kind": "image/classification"},
            "runs.bbc.options.augment: is missing (variations that the teacher is trained on",
        ),
        ({"device": GONE}, "runs.bbc.device: is missing (auto, cpu, cuda or mps)"),
        (
            {"distill__temperature": GONE},
            "runs.bbc.distill.temperature: is missing (that softens both distributions)",
        ),
        ({"prune": GONE}, "runs.bbc.prune.importance: is missing"),
        (
            {"finetune__lora": GONE},
            "runs.bbc.finetune.lora: is missing; write null, or {rank, alpha} (low-rank changes",
        ),
        (
            {"finetune__class_weights": GONE},
            "runs.bbc.finetune.class_weights: is missing; write null, or balanced (of the classes in",
        ),
        (
            {"finetune__class_weights": "sqrt"},
            "runs.bbc.finetune.class_weights = 'sqrt': must be 'balanced', or null (of the classes",
        ),
        (
            {"options": {}},
            "runs.bbc.options.long_texts: is missing; write head, or head_tail, or windows (what is read",
        ),
        (
            {"options": {"long_texts": "tail"}},
            "long_texts = 'tail': must be 'head', 'head_tail' or 'windows'",
        ),
        ({"finetune__lora": 8}, "runs.bbc.finetune.lora = 8: must be a mapping of rank, alpha, or null (low"),
        ({"finetune__lora": {"rank": 8}}, "runs.bbc.finetune.lora.alpha: is missing (the changes count"),
        (
            {"distill__relations__weight": 0.0},
            "runs.bbc.distill.relations.weight = 0.0: must be a number, above 0, at most 1000",
        ),
        (
            {"distill__relations__wieght": 1.0},
            "runs.bbc.distill.relations.wieght: unknown key; did you mean `weight`?",
        ),
        (
            {"ingest__test": "0.3"},
            "runs.bbc.ingest.test = '0.3': must be a number, above 0, at most 0.5, or null",
        ),
        ({"ingest__test": None}, "runs.bbc.ingest.test = null: the split is sticky; write test: 0.3"),
        (
            {"ingest__split": "given"},
            "runs.bbc.ingest.test = 0.3: has no effect, as the split is given; write test: null",
        ),
        (
            {"prune__importance": "magnitude"},
            "runs.bbc.prune.measured = {batches: 20, batch_size: 32}: has no effect, as nothing is measured; "
            "write measured: null",
        ),
        (
            {"prune__measured": None},
            "runs.bbc.prune.measured = null: importance taylor measures on training rows; write measured: {",
        ),
        (
            {"prune__layers_by": None},
            "runs.bbc.prune.layers_by = null: layers go; write layers_by: spread, importance or",
        ),
        (
            {"prune__layers": GONE},
            "runs.bbc.prune.layers_by = spread: has no effect, as neither layers nor depths is given",
        ),
        (
            {"quantize__calibration_rows": 9},
            "runs.bbc.quantize.calibration_rows = 9: has no effect, as int8-dynamic takes no ranges",
        ),
        (
            {"quantize": 3},
            "runs.bbc.quantize = 3: must be a mapping of graph, format, embeddings, calibration_rows, "
            "max_difference",
        ),
        (
            {"benchmark__gates__max_bytes": "big"},
            "runs.bbc.benchmark.gates.max_bytes = 'big': must be a whole number, at least 1",
        ),
        (
            {"pretrain__source": {"package": "x"}},
            "must be one of {package, version}, {folder, sha256}, {hub, revision}",
        ),
        (
            {"pretrain__source": {"hub": "a/b", "revision": "main"}},
            "runs.bbc.pretrain.source.revision = 'main'",
        ),
    ],
)
def test_fault_is_told_with_what_is_allowed(changed: dict[str, Any], said: str) -> None:
    assert said in faults(**changed)


def test_all_faults_are_told_at_once() -> None:
    message = faults(prune__ffn=1.2, distill__pool=-1, quantize__format="int4")
    assert message.splitlines()[0] == "params.yaml: 3 faults"
    assert len(message.splitlines()) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("runs: [1,", "is not readable as YAML"),
        ("", "must have a key `runs`"),
        ("runs: {}", "must have a key `runs`"),
        ("- a", "must have a key `runs`"),
        ("runs: {a: 1}\nruns: {b: 2}", "is not readable as YAML"),
        ("runs: {a: \0}", "is not readable as YAML"),
        ("runs: {1: {}}", "a run's name must be text, this is 1"),
    ],
)
def test_file_that_is_no_params_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=said):
        params.read(tmp_path / "params.yaml")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="there is no such file here"):
        params.read(tmp_path / "params.yaml")


OUTSIDE = [
    "../bbc",
    "a/b",
    "BBC",
    "1a",
    "a b",
    "",
    "-a",
    "a.dvc",
    "a.lock",
    "a@v1",
    ".scratch",
    "a" * 41,
    "a-",
    "bbc\n",
    "b\u00e9b\u00e9",
]
TAKEN = ["raw", "collected", "quarantine", "inbox", "all", "con", "nul", "com1", "lpt9"]


@pytest.mark.parametrize(
    ("name", "said"),
    [*((name, "a run's name is made of") for name in OUTSIDE), *((name, "another name") for name in TAKEN)],
)
def test_names_that_dvc_git_the_system_or_the_layout_reserve_are_refused(name: str, said: str) -> None:
    runs = params.read(ROOT / "params.yaml")
    with pytest.raises(ParamsError, match=said):
        params.check({name: runs["bbc"]}, MODELS, known_kinds())


def test_exponent_without_a_point_is_a_number() -> None:
    """YAML 1.2, as DVC reads it: 1e-4 is a number, `on` is a string."""
    assert documents.yaml(b"{a: 1e-4, b: on}", "params.yaml") == {"a": 0.0001, "b": "on"}


def test_run_at_the_end_of_the_file_is_none_of_another_section(tmp_path: Path) -> None:
    """Where a run of one's own lands that is added to the file's end."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(
        text + "  support: {kind: text/classification, ingest: {}}\n", encoding="utf-8"
    )
    with pytest.raises(ParamsError, match=r"search\.support: is a run; put it below `runs`"):
        params.read(tmp_path / "params.yaml")
