"""The UI in a real browser, by clicks: a run from its form, watched to its end, and what its pages tell.

The fixtures are the session's history: at `form` the form of compress-on-cpu is open, in `first` a run with
an override was watched to its end, in `second` another that had nothing to do.
"""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from flows.compress import compress
from flows.server.server import free_port
from tests import browser, smoke
from tests.browser import Operator
from tests.flows.station import kept_password
from tests.flows.toy import REPOSITORY, Toy, call

pytestmark = [pytest.mark.slow, pytest.mark.skipif(browser.CHROMIUM is None, reason=browser.NO_CHROMIUM)]

STAGES = ["distill@a", "ingest@a", "prune@a"]
REPORT = (
    "# Benchmark\n\n| variant | quality |\n| --- | ---: |\n| final | 0.855 |\n\n![confusion "
    "matrix](confusion.png)\n"
)


@pytest.fixture(scope="module")
def checkout(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The toy project with our flows, their deployments, and a report of run `a`.

    Its prune@a takes some seconds.
    """
    toy = Toy(tmp_path_factory.mktemp("browser") / "toy")
    shutil.copytree(made, toy.root, symlinks=True)
    shutil.copytree(REPOSITORY / "flows", toy.root / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "prefect.yaml", toy.root)
    toy.write("data/a/benchmark/report/report.md", REPORT)
    shutil.copy(
        REPOSITORY / "docs" / "results" / "bbc" / "confusion.png", toy.root / "data/a/benchmark/report"
    )
    toy.order(prune={"progress": 3, "sleep": 6})
    toy.write(".gitignore", "/.prefect/\n/ran.log\n__pycache__/\n")
    call(toy.root, "git", "add", "--all")
    call(toy.root, "git", "commit", "--quiet", "--message", "for the browser")
    return toy


@pytest.fixture(scope="module")
def operator(checkout: Toy) -> Iterator[Operator]:
    env = {
        **smoke.environment(checkout.root),
        "PYTHONPATH": str(REPOSITORY),
        "PREFECT_WORKER_QUERY_SECONDS": "3",
    }
    with (
        browser.served(checkout.root, free_port(), env) as url,
        browser.operator(url, kept_password(checkout.root)) as operator,
    ):
        yield operator


@pytest.fixture(scope="module")
def form(operator: Operator) -> Operator:
    operator.open_deployment("compress", "compress-on-cpu")
    operator.open_form()
    return operator


@pytest.fixture(scope="module")
def started(form: Operator) -> str:
    """Where the page of the first run is. When we leave it there, prune@a is at work."""
    form.name_run("slimmer")
    form.choose("runs", "a")
    form.add("overrides", "runs.a.prune.ffn=300")
    form.submit_and_view()
    form.state("Running")
    return form.page.url


@pytest.fixture
def first(operator: Operator, started: str) -> Operator:
    """At the page of the first run, which ended."""
    operator.page.goto(started)
    operator.state()
    return operator


@pytest.fixture(scope="module")
def second(operator: Operator, started: str) -> str:
    operator.page.goto(started)
    operator.state()
    operator.open_deployment("compress", "compress-on-cpu")
    operator.run_at_once()
    return operator.page.url


def test_form_has_our_parameters_with_their_help(form: Operator) -> None:
    documented = inspect.cleandoc(compress.fn.__doc__ or "").partition("Args:\n")[2]
    told = dict(re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", documented, re.MULTILINE))
    assert list(told) == list(inspect.signature(compress.fn).parameters)
    assert form.parameters() == {
        f"{name} (Optional)": " ".join(text.replace("`", "").split()) for name, text in told.items()
    }


def test_value_that_is_no_override_is_refused_where_it_stands(form: Operator) -> None:
    form.add("overrides", "ffn=3")
    form.submit()
    expect(form.parameter("overrides")).to_contain_text("'ffn=3' does not match '^runs")
    form.remove_first("overrides")


def test_run_with_an_override_completes_as_an_experiment(first: Operator) -> None:
    assert first.state() == "Completed"
    assert "experiment:slimmer" in first.page.locator("header").inner_text().split()
    assert (
        "experiment slimmer: ran prune@a, distill@a; 1 of 3 were Cached"
        in first.open_tab("Details").inner_text()
    )


def test_graph_has_a_node_for_each_stage(first: Operator) -> None:
    assert first.nodes() == STAGES


def test_task_runs_are_the_stages_and_their_states(first: Operator) -> None:
    assert first.stages(3) == {"ingest@a": "Cached", "prune@a": "Completed", "distill@a": "Completed"}


def test_page_of_a_stage_says_why_it_ran(first: Operator) -> None:
    first.stages(3)
    first.page.get_by_role("link", name="prune@a").click()
    expect(first.page.get_by_role("tabpanel")).to_contain_text(
        re.compile(r"Finished in state Completed\('.*runs\.a\.prune\.ffn 512 → 300")
    )


def test_artifacts_tell_origin_outputs_progress_and_report(first: Operator) -> None:
    told = first.artifacts("origin", "outputs", "a-report", "prune-a-epoch")
    assert set(told) == {"origin", "outputs", "a-report", "prune-a-epoch"}
    assert told["prune-a-epoch"] == "prune@a epoch: 100 %"


def test_origin_has_the_override_and_the_params(first: Operator) -> None:
    first.open_artifact("origin")
    page = first.page.get_by_role("article").last
    expect(page).to_contain_text("runs.a.prune.ffn 512 → 300")
    expect(page).to_contain_text('"ffn": 300')


def test_outputs_are_a_table_under_what_ran_and_why(first: Operator) -> None:
    first.open_artifact("outputs")
    expect(first.page.get_by_role("article").first).to_contain_text(
        re.compile(r"prune@a ran: .*runs\.a\.prune\.ffn 512 → 300 \(ran .* s\)")
    )
    cells = first.page.get_by_role("row").filter(has_text="prune@a").get_by_role("cell").all_inner_texts()
    assert cells[:3] == ["prune@a", "Completed", "data/a/prune/out"]
    assert re.fullmatch("[0-9a-f]{32}", cells[3])


def test_report_shows_its_picture(first: Operator) -> None:
    first.open_artifact("a-report")
    picture = first.page.get_by_role("img", name="confusion matrix")
    expect(picture).to_be_visible()
    assert (picture.get_attribute("src") or "").startswith("data:image/png;base64,")
    assert picture.evaluate("img => img.naturalWidth") > 100


def test_second_run_has_only_cached_stages(operator: Operator, second: str) -> None:
    operator.page.goto(second)
    assert operator.state() == "Cached"
    assert operator.stages(6) == dict.fromkeys(
        [f"{stage}@{run}" for stage in ("ingest", "prune", "distill") for run in "ab"], "Cached"
    )


@pytest.mark.usefixtures("second")
def test_no_page_asked_another_machine_for_anything(operator: Operator) -> None:
    assert operator.hosts == {"127.0.0.1"}
