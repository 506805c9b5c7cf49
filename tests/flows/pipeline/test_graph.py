"""What the graph says of a DVC project: order, edges, hints, what is up to date, and why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from flows.pipeline.graph import Graph, expand, select
from tasks.core.errors import ParamsError
from tests.flows.toy import Toy


@pytest.mark.usefixtures("toy")
def test_graph_gives_stages_upstream_first_with_their_edges() -> None:
    stages = Graph().stages
    assert list(stages) == ["ingest@a", "ingest@b", "prune@a", "prune@b", "distill@a", "distill@b"]
    assert stages["ingest@a"].upstream == ()
    assert stages["ingest@a"].sources == ("data/raw/a.dvc",)
    assert stages["distill@b"].upstream == ("prune@b",)
    assert stages["distill@b"].run == "b"


@pytest.mark.usefixtures("toy")
def test_graph_gives_the_hints_of_meta_prefect() -> None:
    stages = Graph().stages
    assert (stages["prune@a"].hints.tags, stages["prune@a"].hints.retries) == (("gpu",), 1)
    assert stages["distill@a"].hints.timeout_seconds == 1800
    assert stages["ingest@a"].hints.retries == 0


def test_hint_that_is_unknown_is_refused_with_its_place(toy: Toy) -> None:
    toy.replace("dvc.yaml", "retries: 1", "retires: 1")
    with pytest.raises(ParamsError, match=r"prune@a: meta.prefect.retires = 1: Extra inputs"):
        Graph()


def test_graph_that_is_no_yaml_is_a_users_fault(toy: Toy) -> None:
    toy.replace("dvc.yaml", "[step.py,", "[step.py")
    with pytest.raises(ParamsError, match="corrupted"):
        Graph()


@pytest.mark.usefixtures("toy")
def test_stage_that_is_up_to_date_has_no_reason() -> None:
    graph = Graph()
    assert [graph.why(name) for name in graph.stages] == [""] * 6


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda toy: toy.replace("params.yaml", "ffn: 512", "ffn: 300"), "runs.a.prune.ffn 512 → 300"),
        (
            lambda toy: toy.replace("params.yaml", "layers: [0, 2]", "layers: [0]"),
            "runs.a.prune.layers [0, 2] → [0]",
        ),
        (
            lambda toy: toy.replace("params.yaml", "ffn: 512,", "ffn: 512, heads: 4,"),
            "runs.a.prune.heads is new: 4",
        ),
        (lambda toy: toy.replace("params.yaml", "ffn: 512, ", ""), "runs.a.prune.ffn is gone, was 512"),
        (lambda toy: toy.write("step.py", "pass"), "step.py changed"),
        (lambda toy: (toy.root / "step.py").unlink(), "step.py is missing"),
        (lambda toy: (toy.root / "data/a/prune/out").unlink(), "data/a/prune/out is missing"),
        (lambda toy: toy.write("data/a/prune/out", "tampered"), "data/a/prune/out is not what was made"),
        (lambda toy: toy.write("data/a/ingest/out", "tampered"), "data/a/ingest/out changed"),
        (
            lambda toy: toy.replace("dvc.yaml", "step.py data/${key}/prune", "-B step.py data/${key}/prune"),
            "its command changed",
        ),
        (lambda toy: (toy.root / "dvc.lock").unlink(), "never ran before"),
        (
            lambda toy: (
                toy.replace("params.yaml", "ffn: 512", "ffn: 8"),
                (toy.root / "data/a/prune/out").unlink(),
            ),
            "runs.a.prune.ffn 512 → 8",
        ),
        (
            lambda toy: (toy.replace("params.yaml", "ffn: 512", "ffn: 8"), toy.write("step.py", "pass")),
            "step.py changed; runs.a.prune.ffn 512 → 8",
        ),
    ],
)
def test_why_names_what_changed(toy: Toy, change: Callable[[Toy], object], why: str) -> None:
    change(toy)
    assert Graph().why("prune@a") == why


def test_why_sees_what_happens_after_the_graph_was_read(toy: Toy) -> None:
    graph = Graph()
    assert graph.why("prune@b") == ""
    toy.replace("params.yaml", "ffn: 256", "ffn: 128")
    assert graph.why("prune@b") == "runs.b.prune.ffn 256 → 128"
    assert graph.why("prune@a") == ""


def test_raw_data_that_changed_is_a_reason_of_the_stage_that_reads_it(toy: Toy) -> None:
    toy.write("data/raw/a", "other")
    assert Graph().why("ingest@a") == "data/raw/a is not what was made; data/raw/a changed"


def test_manifest_is_what_dvc_lock_says(toy: Toy) -> None:
    locked = yaml.safe_load((toy.root / "dvc.lock").read_text())["stages"]["prune@a"]["outs"]
    told = {out["path"]: out for out in Graph().manifest("prune@a")}
    assert told == {
        out["path"]: {"path": out["path"], "md5": out["md5"], "size": out["size"]} for out in locked
    }
    assert len(told) == 2


@pytest.mark.usefixtures("toy")
def test_select_takes_the_named_runs_or_all() -> None:
    stages = Graph().stages
    assert [stage.name for stage in select(stages, ["b"])] == ["ingest@b", "prune@b", "distill@b"]
    assert len(select(stages, [])) == 6


def test_select_takes_what_a_run_needs_of_another(toy: Toy) -> None:
    toy.replace(
        "dvc.yaml",
        '"data/${key}/prune/out"]\n      params: ["runs.${key}.distill"]',
        '"data/a/prune/out"]\n      params: ["runs.${key}.distill"]',
    )
    assert [stage.name for stage in select(Graph().stages, ["b"])] == [
        "ingest@a",
        "ingest@b",
        "prune@a",
        "prune@b",
        "distill@b",
    ]


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("choose", "message"),
    [
        (lambda graph: select(graph.stages, ["c"]), "there is no run `c`; allowed: a, b"),
        (
            lambda graph: expand(["prun@a"], select(graph.stages, [])),
            "there is no stage `prun@a` to force; did you mean `prune@a`",
        ),
        (
            lambda graph: expand(["prune@a"], select(graph.stages, ["b"])),
            "there is no stage `prune@a` to force; did you mean `prune@b`",
        ),
    ],
)
def test_names_that_do_not_exist_are_refused(choose: Callable[[Graph], object], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        choose(Graph())


@pytest.mark.usefixtures("toy")
def test_force_takes_one_stage_or_that_stage_of_every_run() -> None:
    stages = select(Graph().stages, [])
    assert expand(["prune@a"], stages) == {"prune@a"}
    assert expand(["prune"], stages) == {"prune@a", "prune@b"}
