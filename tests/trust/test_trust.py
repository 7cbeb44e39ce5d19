"""The rows of `table.py` at a small size; the harness itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import faults
import mutants
import mutation
import pytest
import studies
import table
from processes import started
from supervised import supervised

SMALL = {
    "kill-2000": None, "matrix": 1, "shards": 24, "pool": 1, "hdf5-damage": 200, "fuzz-yaml": 200, "fuzz-hdf5": 200,
    "cache": 5, "mutation": None,
}  # faults; None is left to the command  # fmt: skip
ROWS = [row for row in table.ROWS if SMALL.get(row.key, 2) is not None]


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_row_holds(row, tmp_path):
    measured = row.measure(tmp_path, SMALL.get(row.key, 2))
    print(f"\n{row.key}: {measured.text()}")
    assert measured.bad == []


def test_damaged_shards_are_all_found(tmp_path):
    measured = faults.corrupt_shards(tmp_path, 24, 1)
    assert measured.bad == []
    assert measured.figures["detected"] == measured.figures["planted"] >= 24
    assert measured.figures["sound ones kept"] == measured.figures["sound"] > 0


LAW = """
SCALE = 2.0


def law(a, b):
    \"\"\"Never changed: 1 + 1.\"\"\"
    if a < b:
        a -= 1
    return min(a, -b) * SCALE
"""


def test_faults_are_put_where_they_are_told():
    found = mutants.mutants("law.py", LAW)
    assert [(one.line, one.function, one.what) for one in found] == [
        (2, "", "2.0 to 4.0"),
        (7, "law", "< to <="),
        (7, "law", "< to >="),
        (8, "law", "- to +"),
        (8, "law", "1 to 2"),
        (9, "law", "* to /"),
        (9, "law", "min to max"),
        (9, "law", "- removed"),
        (7, "law", "statement removed"),
        (8, "law", "statement removed"),
    ]
    changed = [mutants.mutated(LAW, one.number) for one in found]
    assert len({LAW, *changed}) == len(found) + 1
    values = []
    for source in changed:
        held = {}
        exec(source, held)
        values.append([held["law"](*point) for point in ((1.0, 3.0), (3.0, 3.0), (3.0, 1.0))])
    assert values[0] == [-12.0, -12.0, -4.0]
    assert values[1] == [-6.0, -6.0, -2.0]  # at the equal point nothing is seen here: such faults survive
    assert values[5] == [-1.5, -1.5, -0.5]
    assert values[6] == [0.0, 6.0, 6.0]


def test_a_fault_that_no_test_sees_breaks_the_row():
    found = mutants.mutants("law.py", LAW)
    fates = {one: "survived" if one.number < 4 else "killed" for one in found}
    measured = mutation.told(fates, 10, 10)
    assert measured.figures["score"] == "0.60"
    assert measured.bad
    assert len(measured.listed) == 4
    assert mutation.told({**fates, **dict.fromkeys(found[:3], "timed out")}, 10, 10).bad == []


CRASHES = """
import os, sys, time
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    if number == 2: os.kill(os.getpid(), 11)
    if number == 3: os.kill(os.getpid(), 14)
    print(number, "how", "WRONG" if number == 4 else "refused", flush=True)
"""


def test_a_crash_and_a_hang_are_counted(tmp_path):
    (tmp_path / "crashes.py").write_text(CRASHES)
    outcomes, bad = supervised(tmp_path / "crashes.py", (), 6)
    assert outcomes == {"refused": 3, "crash": 1, "hang": 1, "WRONG": 1}
    assert [line.split()[0] for line in bad] == ["2", "3", "4"]


class Forgetful(studies.Study):
    """Writes four lines, and forgets one when it is called again; its digest is how often it was called."""

    name = "forgetful"

    def arguments(self, out):
        return []

    def command(self, out):
        script = (
            "import pathlib, sys, time\n"
            "out = pathlib.Path(sys.argv[1]); lines = sorted(out.glob('line-*'))\n"
            "if lines: lines[0].unlink()\n"
            "(out / f'call-{time.monotonic_ns()}').touch()\n"
            "for k in range(4): (out / f'line-{time.monotonic_ns()}').touch(); time.sleep(0.1)\n"
            "(out / 'end').touch()\n"
        )
        return [sys.executable, "-c", script, str(out)]

    def look(self, out):
        return {path.name: 1 for path in out.glob("line-*")}, len(list(out.iterdir()))

    def digest(self, out):
        return str(len(list(out.glob("call-*")))) if (out / "end").exists() else None


def test_the_harness_sees_what_is_lost(tmp_path):
    """A harness that cannot find a fault proves nothing."""
    measured = faults.kills(Forgetful(tmp_path / "files"), tmp_path / "kills", 8, 1)
    assert measured.figures["faults"] == 8
    assert measured.figures["committed lost"] > 0
    assert any("another digest" in line for line in measured.bad)


PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_command_is_over_with_all_that_it_started(tmp_path):
    with started([sys.executable, "-c", PARENT], tmp_path / "said.txt") as one:
        while not one.said().strip():
            assert not one.wait(0.02)
        child = int(one.said())
        one.process.kill()
        one.process.wait()
        assert one.outlived(0.2)
    assert not one.outlived(5.0)
    _until(lambda: not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_harness_leaves_nothing_behind(end, tmp_path):
    command = [sys.executable, str(Path(table.__file__)), "--only", "kill-trial", "--page", str(tmp_path / "page.md")]
    harness = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        _until(lambda: _ours(tmp_path))
        harness.send_signal(end)
        harness.wait(30.0)
        _until(lambda: not _ours(tmp_path))
    finally:
        harness.kill()
        harness.wait()


def _ours(folder):
    """Commands that write into a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"-o" in words and str(folder).encode() in words[words.index(b"-o") + 1]:
            found.append(entry.name)
    return found


def _until(condition):
    deadline = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
