"""A night's commit becomes the project's once, exactly, whatever happens in between.

And holds nothing that is somebody else's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flows import retrain
from flows.checkout import git as flows_git
from flows.checkout import worktree
from flows.retraining.arrivals import inbox
from flows.retraining.arrivals.store import Store
from flows.retraining.policy import Policy
from flows.retraining.publishing import publish
from flows.retraining.record import history, registry
from tasks.core.errors import DataError, ParamsError, PassingError
from tests.flows.project import dvc
from tests.flows.retraining.conftest import policy

RUN = "a"
PARAMS = "runs:\n  a: {kind: x, pretrain: {source: {package: x, version: '1'}}}\n"


def git(*arguments: str) -> str:
    return flows_git.git(Path.cwd(), *arguments)


@pytest.fixture
def root(project: Path) -> Path:
    """A project with raw data of the run, committed, on the branch `main`."""
    (project / "params.yaml").write_text(PARAMS)
    (project / ".gitignore").write_text("/data/inbox/\n")
    (project / "readme").write_text("hello\n")
    raw = project / "data" / "raw" / RUN
    raw.mkdir(parents=True)
    (raw / "rows.jsonl").write_text('{"text": "x"}\n')
    dvc("add", "--quiet", "data/raw/a")
    git("checkout", "--quiet", "-b", "main")
    git("add", "--all")
    git("commit", "--quiet", "--message", "start")
    return project


def spend(root: Path, rule: Policy, decision: str = "promoted", version: int = 1, drop: str = "") -> str:
    """What a night would leave: a collected row, a line of history, a champion; prepared, not published."""
    target = publish.target(root, RUN, rule)
    with worktree.at(root, target.base, ()) as (folder, _):
        store = Store(folder, RUN)
        store.restore()
        store.collected.folder.mkdir(parents=True, exist_ok=True)
        (store.collected.folder / f"{version}.jsonl").write_text(f'{{"text": "{version}"}}\n')
        store.version()
        files = (
            []
            if not drop
            else [{"name": drop, "sha256": inbox.look(inbox.folder(root, RUN), 0)[0][0].sha256}]
        )
        entry: dict[str, Any] = {
            "run": RUN,
            "decision": decision,
            "why": "so",
            "version": version,
            "files": files,
        }
        history.append(folder, RUN, entry)
        registry.write(
            folder,
            registry.Champion(
                RUN, version, "2026-11-25T00:00:00+00:00", None, "data/a/quantize/out", "0" * 32, None
            ),
        )
        return publish.prepare(root, folder, RUN, f"Promote a to v{version}")


def nothing(_line: str) -> None:
    return


def state(root: Path) -> tuple[Any, ...]:
    refs = git("for-each-ref", "--format=%(refname)", "refs/slipway")
    return (
        git("log", "--format=%s"),
        git("tag"),
        refs,
        git("status", "--porcelain"),
        len(history.read(root, RUN)),
    )


def test_commit_is_taken_over_tagged_and_its_drop_removed(root: Path) -> None:
    folder = inbox.folder(root, RUN)
    folder.mkdir(parents=True)
    (folder / "x.jsonl").write_text('{"text": "1"}\n')
    made = spend(root, policy(), drop="x.jsonl")
    (folder / "later.jsonl").write_text('{"text": "2"}\n')
    assert git("log", "--format=%s") == "start"
    assert publish.publish(root, RUN, policy(), made, nothing)
    assert state(root) == ("Promote a to v1\nstart", "a@v1", "", "", 1)
    assert (root / "data/collected/a/1.jsonl").read_text() == '{"text": "1"}\n'
    assert [path.name for path in folder.iterdir()] == ["later.jsonl"]
    assert "data/collected/a.dvc" in git("show", "--name-only", "--format=", "HEAD")
    assert git("rev-parse", "a@v1^{commit}") == made
    assert json.loads(git("show", "HEAD:registry/a/champion.json"))["tag"] == "a@v1"
    assert "data/a/quantize/out" in git("show", "HEAD:registry/a/dvc.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("step", ["push", "merge", "checkout", "tag", "inbox"])
def test_kill_between_any_two_steps_is_gone_on_from(
    root: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that no handler of ours takes stands for the kill.

    The real ones are in tests/campaigns/nights.py.
    """

    class KilledError(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise KilledError

    made = spend(root, policy())
    inner, names = (
        flows_git.git,
        {"push": "push_artifacts", "checkout": "check_out", "tag": "tag", "inbox": "push_commits"},
    )
    with monkeypatch.context() as patch:
        if step == "merge":
            patch.setattr(
                publish, "git", lambda at, *words: kill() if "merge" in words else inner(at, *words)
            )
        else:
            patch.setattr(publish, names[step], kill)
        with pytest.raises(KilledError):
            publish.publish(root, RUN, policy(), made, nothing)
    assert publish.prepared(root, RUN) == made
    assert publish.publish(root, RUN, policy(), made, nothing)
    assert state(root) == ("Promote a to v1\nstart", "a@v1", "", "", 1)
    assert (root / "data/collected/a/1.jsonl").exists()


def test_edits_of_others_stay_theirs(root: Path) -> None:
    (root / "readme").write_text("edited\n")
    (root / "new").write_text("new\n")
    assert publish.publish(root, RUN, policy(), spend(root, policy()), nothing)
    assert git("status", "--porcelain").split() == ["M", "readme", "??", "new"]
    assert "readme" not in git("show", "--name-only", "--format=", "HEAD")


@pytest.mark.parametrize("name", ["data/raw/a.dvc", "registry/a/champion.json", "dvc.lock"])
def test_edits_of_what_retraining_writes_are_not_overwritten(root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    with (root / name).open("a") as file:
        file.write("\n")
    with pytest.raises(ParamsError, match="has uncommitted edits, which this would have to overwrite"):
        publish.target(root, RUN, policy())


def test_raw_data_that_are_in_no_commit_are_not_overwritten(root: Path) -> None:
    (root / "data/raw/a/more.jsonl").write_text('{"text": "mine"}\n')
    with pytest.raises(ParamsError, match="data/raw/a: holds data that are in no commit"):
        publish.target(root, RUN, policy())


def test_data_that_came_while_the_night_was_at_work_are_not_overwritten(root: Path) -> None:
    made = spend(root, policy())
    (root / "data/raw/a/more.jsonl").write_text('{"text": "mine"}\n')
    with pytest.raises(ParamsError, match="data/raw/a: holds data that are in no commit"):
        publish.publish(root, RUN, policy(), made, nothing)
    assert (root / "data/raw/a/more.jsonl").read_text() == '{"text": "mine"}\n'
    (root / "data/raw/a/more.jsonl").unlink()
    assert publish.publish(root, RUN, policy(), made, nothing)
    assert state(root) == ("Promote a to v1\nstart", "a@v1", "", "", 1)


def test_file_that_came_while_the_night_was_at_work_is_told(root: Path) -> None:
    made = spend(root, policy())
    (root / "registry/a").mkdir(parents=True)
    (root / "registry/a/champion.json").write_text("mine")
    with pytest.raises(
        ParamsError, match=r"the checkout: cannot move to the night's commit .*registry/a/champion\.json"
    ):
        publish.publish(root, RUN, policy(), made, nothing)
    assert publish.prepared(root, RUN) == made


def test_night_begins_again_if_somebody_committed_meanwhile(root: Path) -> None:
    made = spend(root, policy())
    (root / "readme").write_text("theirs\n")
    git("commit", "--quiet", "--all", "--message", "theirs")
    assert not publish.publish(root, RUN, policy(), made, nothing)
    assert publish.prepared(root, RUN) is None
    assert publish.publish(root, RUN, policy(), spend(root, policy()), nothing)
    assert state(root)[:2] == ("Promote a to v1\ntheirs\nstart", "a@v1")


def test_branch_gets_the_commit_and_the_checkout_stays_as_it_is(root: Path) -> None:
    rule = policy(publish="branch")
    (root / "dvc.lock").write_text("{}\n")
    assert publish.publish(root, RUN, rule, spend(root, rule), nothing)
    assert publish.publish(root, RUN, rule, spend(root, rule, version=2), nothing)
    assert git("log", "--format=%s", "main") == "start"
    assert git("log", "--format=%s", "retrain/a") == "Promote a to v2\nPromote a to v1\nstart"
    assert not (root / "data/collected").exists()
    (root / "dvc.lock").unlink()
    git("merge", "--quiet", "--squash", "retrain/a")
    git("commit", "--quiet", "--message", "merged as one")
    assert publish.target(root, RUN, rule).base == git("rev-parse", "HEAD")
    (root / "readme").write_text("theirs\n")
    git("commit", "--quiet", "--all", "--message", "theirs")
    assert publish.target(root, RUN, rule).base == git("rev-parse", "HEAD")


def test_branch_that_diverged_is_told(root: Path) -> None:
    rule = policy(publish="branch")
    assert publish.publish(root, RUN, rule, spend(root, rule), nothing)
    (root / "readme").write_text("theirs\n")
    git("commit", "--quiet", "--all", "--message", "theirs")
    with pytest.raises(
        ParamsError, match="branch retrain/a: and the checkout have diverged; merge the branch, or delete it"
    ):
        publish.target(root, RUN, rule)


def test_commit_on_the_branch_meanwhile_is_not_lost(root: Path) -> None:
    rule = policy(publish="branch")
    assert publish.publish(root, RUN, rule, spend(root, rule), nothing)
    made = spend(root, rule, version=2)
    git("checkout", "--quiet", "retrain/a")
    with pytest.raises(ParamsError, match="branch retrain/a: is checked out, and nights commit to it"):
        publish.target(root, RUN, rule)
    (root / "readme").write_text("a reviewer's\n")
    git("commit", "--quiet", "--all", "--message", "a reviewer's")
    git("checkout", "--quiet", "main")
    assert not publish.publish(root, RUN, rule, made, nothing)
    assert publish.publish(root, RUN, rule, spend(root, rule, version=2), nothing)
    assert git("log", "--format=%s", "retrain/a") == "Promote a to v2\na reviewer's\nPromote a to v1\nstart"


@pytest.mark.usefixtures("remotes")
def test_champion_gets_its_tag_when_its_branch_is_merged(root: Path) -> None:
    rule = policy(publish="branch")
    publish.tag_merged(root, RUN, rule, nothing)
    assert publish.publish(root, RUN, rule, spend(root, rule), nothing)
    publish.tag_merged(root, RUN, rule, nothing)
    assert git("tag") == ""
    git("merge", "--quiet", "--no-ff", "--no-edit", "retrain/a")
    git("push", "--quiet", "origin", "main")
    publish.tag_merged(root, RUN, rule, nothing)
    assert git("rev-parse", "a@v1^{commit}") == git("rev-parse", "retrain/a")
    assert git("tag", "--list", "--format=%(contents:subject)") == "a: promoted: so"
    assert "refs/tags/a@v1" in git("ls-remote", "origin")


@pytest.fixture
def remotes(root: Path, tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "git")], check=True)
    git("remote", "add", "origin", str(tmp_path / "git"))
    dvc("remote", "add", "--quiet", "--default", "--local", "store", str(tmp_path / "store"))
    assert root == Path.cwd()
    return tmp_path


@pytest.mark.parametrize("relative", [False, True])
def test_remotes_get_commit_tag_and_data(root: Path, remotes: Path, relative: bool) -> None:
    if relative:  # to the configuration, in the commit
        dvc("remote", "remove", "--local", "store")
        dvc("remote", "add", "--quiet", "--default", "store", "../store")
        git("commit", "--quiet", "--all", "--message", "a remote")
    said: list[str] = []
    assert publish.publish(root, RUN, policy(), spend(root, policy()), said.append)
    assert [line.split("\t")[1] for line in git("ls-remote", "origin").splitlines()] == [
        "HEAD",
        "refs/heads/main",
        "refs/tags/a@v1",
        "refs/tags/a@v1^{}",
    ][int("HEAD" not in git("ls-remote", "origin")) :]
    assert "pushed main, a@v1 to origin" in said
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", "main", str(remotes / "git"), str(remotes / "clone")],
        check=True,
    )
    config = "[core]\n    remote = store\n['remote \"store\"']\n    url = " + str(remotes / "store") + "\n"
    (remotes / "clone/.dvc/config.local").write_text(config)
    subprocess.run(["dvc", "pull", "--quiet"], cwd=remotes / "clone", check=True)
    assert (remotes / "clone/data/collected/a/1.jsonl").exists()


def test_a_store_that_is_named_relative_to_the_project_gets_the_data(root: Path) -> None:
    dvc("remote", "add", "--quiet", "--default", "near", "../near")
    git("commit", "--quiet", "--all", "--message", "a store beside the project")
    assert publish.publish(root, RUN, policy(), spend(root, policy()), print)
    assert dvc("status", "--cloud").strip() == "Cache and remote 'near' are in sync."
    assert len(list((root.parent / "near").rglob("*"))) > 3


def hook(folder: Path, name: str, script: str) -> None:
    file = folder / "hooks" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_remote_that_refuses_the_branch_gets_no_tag(root: Path, remotes: Path) -> None:
    hook(remotes / "git", "update", 'case "$1" in refs/heads/*) echo "main is closed"; exit 1;; esac')
    made = spend(root, policy())
    with pytest.raises(PassingError, match=r"did not take the night's commit: .*main is closed"):
        publish.publish(root, RUN, policy(), made, nothing)
    assert git("ls-remote", "origin") == ""
    (remotes / "git" / "hooks" / "update").unlink()
    assert publish.publish(root, RUN, policy(), made, nothing)
    assert git("ls-remote", "origin", "refs/heads/main").split()[0] == made
    assert git("ls-remote", "origin", "refs/tags/a@v1^{}").split()[0] == made


@pytest.mark.parametrize(("name", "command"), [("pre-push", "push"), ("prepare-commit-msg", "commit")])
def test_hook_that_refuses_is_named_with_its_last_words(
    root: Path, remotes: Path, name: str, command: str
) -> None:
    assert remotes.exists()
    made = spend(root, policy())
    hook(root / ".git", name, "echo 'no ticket'; echo 'in the message' >&2; exit 3")
    said = (
        rf"git {command} was refused by the hook {name} .*no ticket.*in the message.*mend what it "
        r"objects to, or the hook"
    )
    with pytest.raises((PassingError, flows_git.HookError), match=said) as refused:
        publish.publish(root, RUN, policy(), made, nothing) if name == "pre-push" else spend(
            root, policy(), version=2
        )
    assert retrain._code(refused.value) == (75 if name == "pre-push" else 2)
    (root / ".git" / "hooks" / name).unlink()
    assert publish.publish(root, RUN, policy(), made, nothing)


def test_failure_that_no_hook_caused_names_none(root: Path) -> None:
    hook(root / ".git", "prepare-commit-msg", "echo fine")
    with pytest.raises(flows_git.GitError) as failed:
        git("commit", "--message", "nothing to commit")
    assert "hook" not in str(failed.value)


@pytest.mark.usefixtures("remotes")
def test_tag_of_a_merge_that_is_not_pushed_waits(root: Path) -> None:
    rule = policy(publish="branch")
    git("push", "--quiet", "origin", "main")
    assert publish.publish(root, RUN, rule, spend(root, rule), nothing)
    git("merge", "--quiet", "--squash", "retrain/a")
    git("commit", "--quiet", "--message", "merged as one, and not pushed")
    publish.tag_merged(root, RUN, rule, nothing)
    assert git("tag") == "a@v1"
    assert "a@v1" not in git("ls-remote", "origin")
    git("push", "--quiet", "origin", "main")
    publish.tag_merged(root, RUN, rule, nothing)
    assert git("ls-remote", "origin", "refs/tags/a@v1^{}").split()[0] == git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("broken", "said"), [("git", "git remote origin: did not take"), ("store", "DVC remote: did not take")]
)
def test_remote_that_is_away_gets_it_the_next_time(root: Path, remotes: Path, broken: str, said: str) -> None:
    if broken == "git":
        (remotes / "git").rename(remotes / "away")
    else:
        (remotes / "store").write_text("no folder")
    made = spend(root, policy())
    with pytest.raises(PassingError, match=said):
        publish.publish(root, RUN, policy(), made, nothing)
    if broken == "git":
        (remotes / "away").rename(remotes / "git")
    else:
        (remotes / "store").unlink()
    assert publish.prepared(root, RUN) == made
    assert publish.publish(root, RUN, policy(), made, nothing)
    assert "refs/tags/a@v1" in git("ls-remote", "origin")
    assert state(root)[:3] == ("Promote a to v1\nstart", "a@v1", "")


def test_branch_that_was_merged_and_deleted_at_the_remote_is_pushed_again(root: Path, remotes: Path) -> None:
    rule = policy(publish="branch")
    assert publish.publish(root, RUN, rule, spend(root, rule), nothing)
    git("merge", "--quiet", "--squash", "retrain/a")
    git("commit", "--quiet", "--message", "merged as one")
    subprocess.run(["git", "update-ref", "-d", "refs/heads/retrain/a"], cwd=remotes / "git", check=True)
    for version in (2, 3):
        assert publish.publish(root, RUN, rule, spend(root, rule, version=version), nothing)
        assert git("ls-remote", "origin", "refs/heads/retrain/a").split()[0] == git("rev-parse", "retrain/a")


def test_artifacts_that_only_the_remote_has_are_fetched(root: Path, remotes: Path) -> None:
    """As in a fresh clone, where nothing was pulled yet."""
    out = "data/a/quantize/out"
    stage = (
        f"stages:\n  s:\n    foreach: {{a: 1}}\n    do:\n      cmd: mkdir -p {out} && echo x > "
        f"{out}/x\n      outs: [{out}]\n"
    )
    (root / "dvc.yaml").write_text(stage)
    dvc("repro", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "made")
    dvc("push", "--quiet")
    shutil.rmtree(root / ".dvc/cache")
    shutil.rmtree(root / out)
    (remotes / "store").rename(remotes / "away")
    with pytest.raises(
        DataError, match=r"data/a: neither DVC's cache nor its remote has all that dvc\.lock names"
    ):
        publish.check_out(root, RUN)
    shutil.rmtree(remotes / "store", ignore_errors=True)
    (remotes / "away").rename(remotes / "store")
    assert publish.publish(root, RUN, policy(), spend(root, policy(), decision="collected"), nothing)
    assert (root / out / "x").read_text() == "x\n"


def test_remote_that_has_moved_on_is_told_and_gets_it_after_a_pull(root: Path, remotes: Path) -> None:
    git("push", "--quiet", "origin", "main")
    other = remotes / "other"
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", "main", str(remotes / "git"), str(other)], check=True
    )
    (other / "readme").write_text("theirs\n")
    flows_git.git(other, "commit", "--quiet", "--all", "--message", "theirs")
    flows_git.git(other, "push", "--quiet", "origin", "main")
    made = spend(root, policy())
    with pytest.raises(
        PassingError,
        match="if it has commits that are not here, `git pull --no-rebase`; the next night tries again",
    ):
        publish.publish(root, RUN, policy(), made, nothing)
    git("pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main")
    assert publish.publish(root, RUN, policy(), made, nothing)
    assert git("ls-remote", "origin", "refs/heads/main").split()[0] == git("rev-parse", "HEAD")
    assert git("rev-parse", "a@v1^{commit}") == made


def test_what_others_pushed_is_taken_over_before_a_night(root: Path, remotes: Path) -> None:
    assert publish.publish(root, RUN, policy(), spend(root, policy()), nothing)
    clone = remotes / "theirs"
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", "main", str(remotes / "git"), str(clone)], check=True
    )
    (clone / "readme").write_text("theirs\n")
    subprocess.run(["git", "commit", "--quiet", "--all", "--message", "theirs"], cwd=clone, check=True)
    subprocess.run(["git", "push", "--quiet"], cwd=clone, check=True)
    said: list[str] = []
    publish.catch_up(root, RUN, policy(), said.append)
    assert git("log", "-1", "--format=%s") == "theirs"
    assert said[0].startswith("took over what was pushed to the branch")
    assert publish.publish(root, RUN, policy(), spend(root, policy(), version=2), nothing)
    assert git("rev-parse", "HEAD") in git("ls-remote", "origin", "refs/heads/main")
    (remotes / "git").rename(remotes / "away")
    publish.catch_up(root, RUN, policy(), said.append)
    assert said[-1].startswith("the git remote cannot be asked now")
