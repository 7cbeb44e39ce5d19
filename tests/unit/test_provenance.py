"""What is recorded of a run, and what is kept out."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from toy_result import SCENARIO, toy_summary
from toy_trial import make_trial
from tumorsim import provenance
from tumorsim.provenance import DECIDING, collect, differences, machine, source_digest
from tumorsim.store import read, write


def test_everything_that_makes_a_run_repeatable_is_recorded(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"name: a\n")
    found = collect(7, 3, {"given.yaml": tmp_path / "a.yaml", "base.yaml": "x: 1\n", "raw": b"\x00"}, wall_time=2)
    assert (found["seed"], found["threads"], found["wall_time"]) == (7, 3, 2.0)
    assert found["numpy"] == np.__version__
    assert found["python"] == platform.python_version()
    assert {"tumorsim", "numba", "llvmlite", "scipy", "h5py", "cpu", "cpu_class", "cores", "libc"} <= set(found)
    assert all(
        found[name] not in ("", "unknown") for name in ("numba", "llvmlite", "scipy", "h5py", "cpu", "cpu_class")
    )
    assert found["cores"] >= 1
    assert found["inputs"] == {
        "given.yaml": hashlib.sha256(b"name: a\n").hexdigest(),
        "base.yaml": hashlib.sha256(b"x: 1\n").hexdigest(),
        "raw": hashlib.sha256(b"\x00").hexdigest(),
    }
    age = datetime.now(UTC) - datetime.fromisoformat(found["created"])
    assert timedelta(seconds=-1) <= age < timedelta(minutes=1)


def test_seed_zero_is_a_seed_and_no_wall_time_is_none():
    found = collect(0, 1)
    assert found["seed"] == 0
    assert "wall_time" not in found
    assert found["inputs"] == {}


def test_no_folder_user_or_machine_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "secret-machine")
    monkeypatch.setattr(platform, "node", lambda: "secret-machine")
    for name in ("USER", "LOGNAME", "HOME", "HOSTNAME"):
        monkeypatch.setenv(name, "/secret/user")
    text = json.dumps(collect(1, 1, {str(tmp_path / "deep" / "a.yaml"): "x"}))
    assert '"a.yaml"' in text
    assert "secret" not in text
    assert str(tmp_path) not in text
    assert str(Path(provenance.__file__).parent) not in text


def test_a_missing_input_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        collect(1, 1, {"a": tmp_path / "none"})


def test_it_goes_through_a_result_file_unchanged(tmp_path):
    found = collect(7, 2, {"a.yaml": "x"}, wall_time=1.25)
    path = write(tmp_path / "a.h5", make_trial(n=3), toy_summary(), SCENARIO, "", found)
    assert read(path).provenance == found


def test_differences_name_only_what_decides_the_bits():
    recorded = collect(1, 1)
    assert differences(recorded) == []
    other = recorded | {"threads": 64, "seed": 2, "created": "1999", "cores": 99, "cpu": "same family, other name"}
    assert differences(other) == []
    for name in DECIDING:
        (line,) = differences(recorded | {name: "other"})
        assert line == f"{name}: other then, {recorded[name]} now"
    (line,) = differences({key: value for key, value in recorded.items() if key != "numba"})
    assert line.startswith("numba: not recorded then")


def test_compiler_settings_are_recorded_but_no_folder(monkeypatch):
    for name in provenance.NUMBA_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    assert machine()["numba_settings"] == ""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    assert machine()["numba_settings"] == "NUMBA_DISABLE_JIT=1"
    assert "somewhere" not in json.dumps(machine())


def test_the_source_digest_changes_with_code_and_library_but_not_with_line_ends(tmp_path, monkeypatch):
    package = tmp_path / "tumorsim"
    (package / "library").mkdir(parents=True)
    (package / "a.py").write_bytes(b"x = 1\n")
    (package / "library" / "b.yaml").write_bytes(b"b: 1\n")
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def digest() -> str:
        source_digest.cache_clear()
        return source_digest()

    first = digest()
    (package / "a.py").write_bytes(b"x = 1\r\n")
    assert digest() == first
    (package / "notes.txt").write_text("no code")
    assert digest() == first
    (package / "library" / "b.yaml").write_bytes(b"b: 2\n")
    second = digest()
    (package / "library" / "b.yaml").write_bytes(b"b: 1\n")
    (package / "a.py").rename(package / "c.py")
    assert len({first, second, digest()}) == 3
    source_digest.cache_clear()


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_commit_is_that_of_the_checkout_the_package_runs_from(tmp_path, monkeypatch):
    package = tmp_path / "src" / "tumorsim"
    package.mkdir(parents=True)
    (package / "a.py").write_text("x = 1\n")
    (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    source_digest.cache_clear()
    assert "git_commit" not in collect(1, 1)
    try:
        git(tmp_path, "init", "-q")
    except FileNotFoundError:
        pytest.skip("git is not installed")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = collect(1, 1)
    assert re.fullmatch(r"[0-9a-f]{40}", clean["git_commit"])
    assert clean["git_changed"] is False
    (tmp_path / "README.md").write_text("not code")
    assert collect(1, 1)["git_changed"] is False
    (package / "a.py").write_text("x = 2\n")
    assert collect(1, 1)["git_changed"] is True
    monkeypatch.setenv("PATH", "")  # no git at all
    assert "git_commit" not in collect(1, 1)
    source_digest.cache_clear()


def test_importing_it_is_cheap():
    code = "import sys, tumorsim.provenance; sys.exit(bool({'numba', 'numpy', 'h5py'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
