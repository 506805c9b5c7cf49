"""What our commands make of the environment they find.

Proxies, folders that other accounts may write to, settings that cannot be.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flows.process import private
from tasks.core.errors import ParamsError
from tests import disks
from tests.flows.toy import REPOSITORY, Toy, call

CAN_BE_ANOTHER = os.geteuid() == 0 and shutil.which("setpriv") is not None
NOBODY = 65534
SHOW = "import json, os, flows.process.environment; print(json.dumps(dict(os.environ)))"
OUTSIDE = "http://proxy.example:3128"


def run(folder: Path, *command: str, **given: str) -> subprocess.CompletedProcess[str]:
    """A command in that folder, with nothing of ours in its environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = {**kept, "PYTHONPATH": str(REPOSITORY), **given}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def environment(folder: Path, **given: str) -> dict[str, str]:
    done = run(folder, "-c", SHOW, **given)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "no_proxy", [{}, {"no_proxy": "corp.example"}, {"NO_PROXY": "corp.example"}, {"no_proxy": ""}]
)
def test_no_proxy_stands_between_processes_of_this_machine(
    tmp_path: Path, name: str, no_proxy: dict[str, str]
) -> None:
    client = "import flows.process.environment, httpx; c = httpx.Client(); "
    client += "t = lambda u: type(c._transport_for_url(httpx.URL(u))._pool).__name__; "
    hosts = [
        "127.0.0.1:4200",
        "localhost:4200",
        "[::1]:4200",
        "hub.example",
        *(["corp.example"] if "corp.example" in no_proxy.values() else []),
    ]
    scheme = "https" if name == "https_proxy" else "http"
    asked = ", ".join(f"t('{scheme}://{host}/')" for host in hosts)
    done = run(tmp_path, "-c", f"{client}print({asked})", **{name: OUTSIDE, **no_proxy})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ConnectionPool"] * 3 + ["HTTPProxy"] + ["ConnectionPool"] * (
        len(hosts) - 4
    )


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "http_proxy"])
def test_socks_proxy_stands_for_other_hosts_alone(tmp_path: Path, name: str) -> None:
    line = (
        "import flows.process.environment, httpx; t = lambda u: "
        "type(httpx.Client()._transport_for_url(httpx.URL(u))._pool).__name__"
    )
    asked = "print(t('http://127.0.0.1:4200'), t('http://hub.example'))"
    done = run(tmp_path, "-c", f"{line}; {asked}", **{name: "socks5://127.0.0.1:9"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "ConnectionPool SOCKSProxy\n", "")


def test_site_cache_of_dvc_is_our_own(toy: Toy) -> None:
    place = toy.root / ".dvc" / "tmp" / "site-cache"
    assert environment(toy.root)["DVC_SITE_CACHE_DIR"] == str(place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    (place / "repo").mkdir()
    environment(toy.root)
    assert (place / "repo").is_dir(), "what is ours alone stays"
    place.chmod(0o777)
    environment(toy.root)
    assert list(place.iterdir()) == [], "what others could have written into is made anew"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_site_cache_that_the_user_has_set_stays(toy: Toy, tmp_path: Path) -> None:
    assert environment(toy.root, DVC_SITE_CACHE_DIR=str(tmp_path / "own"))["DVC_SITE_CACHE_DIR"] == str(
        tmp_path / "own"
    )
    assert not (toy.root / ".dvc" / "tmp" / "site-cache").exists()


def test_link_in_place_of_the_site_cache_is_not_followed(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (toy.root / ".dvc" / "tmp" / "site-cache").symlink_to(tmp_path / "elsewhere")
    environment(toy.root)
    assert not (toy.root / ".dvc" / "tmp" / "site-cache").is_symlink()


def test_outside_a_project_no_folder_is_made(tmp_path: Path) -> None:
    assert "DVC_SITE_CACHE_DIR" not in environment(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_site_cache_that_cannot_be_made_ends_nothing(toy: Toy) -> None:
    """In a checkout that one may only read; DVC says so itself where it wants to write."""
    with disks.mounted(toy.root / ".dvc" / "tmp", "ro"):
        done = run(toy.root, "-c", "import flows.process.environment")
    assert (done.returncode, done.stderr) == (0, "")


def test_bare_dvc_is_told_of_it(toy: Toy) -> None:
    """As `make` does when it installs; in any folder of the checkout, and in worktrees DVC makes of it."""
    place = toy.root / ".dvc" / "tmp" / "site-cache"
    for _ in range(2):
        assert run(toy.root, "-m", "flows.process.environment").returncode == 0
    assert f"site_cache_dir = {place}" in (toy.root / ".dvc" / "config.local").read_text()
    assert run(toy.root / "data", "-m", "dvc", "status").returncode == 0
    assert (place / "repo").is_dir()
    assert not list((toy.root / "data").rglob("site-cache"))


def test_what_the_operator_told_dvc_stays(toy: Toy, tmp_path: Path) -> None:
    toy.dvc("config", "--local", "core.site_cache_dir", str(tmp_path / "mine"))
    assert run(toy.root, "-m", "flows.process.environment").returncode == 0
    assert f"site_cache_dir = {tmp_path / 'mine'}" in (toy.root / ".dvc" / "config.local").read_text()


PLANT = """\
import os, pickle, sqlite3, sys
from pathlib import Path

class Evil:
    def __reduce__(self):
        return os.mkdir, (sys.argv[2],)

(file,) = Path(sys.argv[1]).rglob("links/cache.db")
with sqlite3.connect(file) as links:
    insert = "insert into Cache (key, raw, store_time, size, mode, value) values (?, 0, 1, 0, 1, 1)"
    links.execute(insert, (pickle.dumps(Evil()),))
"""
CHECKOUT = "import sys; from dvc.cli import main; sys.exit(main(['checkout']))"


@pytest.mark.skipif(not CAN_BE_ANOTHER, reason="only root can take the place of another account")
def test_pickle_that_another_account_planted_does_not_run(toy: Toy, tmp_path: Path) -> None:
    """In a folder open to all, as DVC's default is, it runs at the next command of bare DVC.

    In the same place of ours it does not.
    """
    shared, ran = tmp_path / "shared", tmp_path / "ran"
    assert run(toy.root, "-c", CHECKOUT, DVC_SITE_CACHE_DIR=str(shared)).returncode == 0
    subprocess.run([sys.executable, "-c", PLANT, str(shared), str(ran)], check=True)
    place = toy.root / ".dvc" / "tmp" / "site-cache"
    shutil.copytree(shared, place)
    call(toy.root, "chown", "--recursive", str(NOBODY), str(place))
    done = run(toy.root, "-c", f"import flows.process.environment; {CHECKOUT}")
    assert (done.returncode, ran.exists()) == (0, False), done.stderr
    run(toy.root, "-c", CHECKOUT, DVC_SITE_CACHE_DIR=str(shared))
    assert ran.is_dir(), "else this test proves nothing"


def test_every_command_sets_it_before_it_imports_prefect_or_dvc() -> None:
    commands = [
        file for file in (REPOSITORY / "flows").rglob("*.py") if '__name__ == "__main__"' in file.read_text()
    ]
    without = {
        "child",
        "environment",
        "plots_page",
        "trial",
        "card",
        "__main__",
        "completion",
    }  # itself, or neither of the two
    assert len(commands) > 10
    for file in commands:
        lines = [
            line
            for line in file.read_text().splitlines()
            if re.match(r"(from|import) (flows|prefect|dvc)", line)
        ]
        first = (
            "import flows.process.environment ",
            "from flows.raw_data import data",
        )  # the second does so first
        assert file.stem in without or lines[0].startswith(first), file.name


# -- files for one account --


def test_file_is_for_its_owner_alone_from_the_first_byte_on(tmp_path: Path) -> None:
    private.write(tmp_path / "file", "text")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert private.read(tmp_path / "file") == "text"
    assert private.read(tmp_path / "other") is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o777])
def test_file_that_others_could_read_or_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    private.write(tmp_path / "file", "text")
    (tmp_path / "file").chmod(mode)
    assert private.read(tmp_path / "file") is None


def test_link_is_not_believed(tmp_path: Path) -> None:
    private.write(tmp_path / "file", "text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert private.read(tmp_path / "link") is None


def test_folder_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert stat.S_IMODE(private.folder(tmp_path / "open").stat().st_mode) == 0o700
    assert stat.S_IMODE(private.folder(tmp_path / "a" / "b").stat().st_mode) == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ParamsError, match="cannot be used: a file stands there or above; name a folder of your own"
    ):
        private.folder(tmp_path / "file" / "below")


@pytest.mark.skipif(not CAN_BE_ANOTHER, reason="only root can make what belongs to another account")
def test_folder_of_another_account_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", NOBODY, NOBODY)
    with pytest.raises(ParamsError, match="belongs to another account"):
        private.folder(tmp_path / "theirs")


# -- what cannot be --


@pytest.mark.parametrize(
    "value", ["ftp://proxy.example", "proxy.example:port", "http://[::1", "socks4://proxy.example"]
)
def test_proxy_that_is_none_is_told_of_and_ends_nothing(tmp_path: Path, value: str) -> None:
    done = run(tmp_path, "-c", "import flows.process.environment, httpx; httpx.Client()", ALL_PROXY=value)
    said = "ALL_PROXY: names no proxy: it must be as http://proxy.example:3128; going on without this proxy\n"
    assert (done.returncode, done.stderr) == (0, said)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_file_of_certificates_that_is_none_gives_one_message(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "own.pem"
    if content:
        file.write_text(content)
    done = run(tmp_path, "-c", "import flows.process.environment", SSL_CERT_FILE=str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"SSL_CERT_FILE: names no file of certificates: {file} (")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "PREFECT_LOGGING_LEVEL",
            "loud",
            "Prefect's settings (PREFECT_… in the environment, prefect.toml, .env): ",
        ),
        ("PREFECT_API_REQUEST_TIMEOUT", "soon", "request_timeout / Input should be a valid number"),
        ("PREFECT_CLIENT_CUSTOM_HEADERS", "x", 'error parsing value for field "custom_headers"'),
        (
            "PREFECT_API_URL",
            "127.0.0.1:4200",
            "PREFECT_API_URL: must be an address as http://127.0.0.1:4200/api, not 127.0.0.1:4200",
        ),
        ("PREFECT_API_URL", "", "PREFECT_API_URL: says where the server is, and is not set"),
    ],
)
def test_setting_that_cannot_be_gives_one_message(toy: Toy, name: str, value: str, said: str) -> None:
    done = run(toy.root, "-m", "flows.server.worker", "gpu", **{name: value})
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_bug_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "-c",
        "import flows.process.environment, pydantic; pydantic.TypeAdapter(int).validate_python('x')",
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
