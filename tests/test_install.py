"""`requirements/install.py`: uv does as pip is configured to, and installs no file of another hash."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from requirements import install

ROOT = Path(__file__).resolve().parents[1]
LISTS = [lock.stem for lock in sorted((ROOT / "requirements").glob("*.lock"))]
CONFIGURED = """\
:env:.cert='/certs/own.pem'
global.cert='/certs/all.pem'
global.extra-index-url='\\nfile:///one/simple\\nfile:///two/simple'
global.find-links='/wheels /more'
global.index-url='file:///first/simple'
install.index-url='file:///mine/simple'
global.quiet='1'
"""


def test_uv_gets_what_pip_is_configured_to() -> None:
    assert install.environment(CONFIGURED, {"UV_HTTP_TIMEOUT": "5", "UV_FIND_LINKS": "/elsewhere"}) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "file:///mine/simple",
        "UV_INDEX": "file:///one/simple file:///two/simple",
        "UV_FIND_LINKS": "/elsewhere",
        "UV_HTTP_TIMEOUT": "5",
        "SSL_CERT_FILE": "/certs/own.pem",
    }


def test_configuration_of_pip_here_is_read() -> None:
    said = subprocess.run([*install.PIP, "config", "list"], capture_output=True, text=True, check=True).stdout
    found = install.environment(said, {})
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert ("UV_INDEX" in found) == ("extra-index-url=" in said)


def test_each_pin_is_installed_by_one_of_the_two_with_all_its_hashes() -> None:
    by_pip, by_uv = install.split(LISTS)
    pins = {
        line
        for name in LISTS
        for line in (ROOT / "requirements" / "hashed" / f"{name}.txt").read_text().splitlines()
    }
    assert sorted({line.split("==")[0] for line in by_pip.splitlines() if "==" in line}) == ["torch", "uv"]
    assert {*by_pip.splitlines(), *by_uv.splitlines()} == pins
    assert "\ntorch==" not in by_uv
    assert install.split(["flows"])[0].startswith("uv==")
    with pytest.raises(ValueError, match="nowhere is not pinned"):
        install.stanza("nowhere", by_uv)


def wheel(folder: Path) -> Path:
    """A package of one module."""
    path = folder / "toy_slipway-1.0-py3-none-any.whl"
    files = {
        "toy_slipway.py": "ANSWER = 42\n",
        "toy_slipway-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: toy-slipway\nVersion: 1.0\n",
        "toy_slipway-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {
        name: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        for name, text in files.items()
    }
    record = "toy_slipway-1.0.dist-info/RECORD"
    lines = [f"{name},sha256={digests[name]},{len(text)}\n" for name, text in files.items()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(record, "".join(lines) + f"{record},,\n")
    return path


@pytest.mark.parametrize("tool", ["uv", "pip"])
@pytest.mark.parametrize("right", [True, False])
def test_file_of_another_hash_is_refused(tmp_path: Path, tool: str, right: bool) -> None:
    digest = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    pins = tmp_path / "pins.txt"
    pins.write_text(f"toy-slipway==1.0 \\\n    --hash=sha256:{digest if right else '0' * 64}\n")
    options = ["--no-deps", "--require-hashes", "--no-index", "--find-links", str(tmp_path), "-r", str(pins)]
    target = tmp_path / "target"
    done = subprocess.run(
        [*install.COMMANDS[tool], *options, "--target", str(target)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == right, done.stderr
    assert (target / "toy_slipway.py").exists() == right
    assert right or digest in done.stderr


def test_it_needs_nothing_but_the_standard_library() -> None:
    script = ROOT / "requirements" / "install.py"
    code = f"import runpy, sys; runpy.run_path({str(script)!r}, run_name='one')"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
