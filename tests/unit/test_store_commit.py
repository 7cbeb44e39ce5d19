"""A result is on disk whole or not at all, whatever stops the writer."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from toy_result import write_toy
from toy_trial import make_trial
from tumorsim.store import ResultError, compare, read
from tumorsim.store.sealing import SEAL_SIZE, check_seal, check_target, commit

TESTS = Path(__file__).resolve().parent.parent
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX systems")


def child(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    """A Python process with the tests' folder on its path."""
    start = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
    command = [sys.executable, "-c", start + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload,no-any-return]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- refusing a target ---------------------------------------------------------------


def test_an_existing_file_stays_unless_forced(tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("precious")
    with pytest.raises(ResultError, match=r"exists already\. Use --force"):
        write_toy(path)
    assert path.read_text() == "precious"
    write_toy(path, force=True)
    assert read(path).summary["scenario"] == "toy"
    assert names(tmp_path) == ["a.h5"]


def test_a_folder_a_fifo_and_a_missing_folder_are_no_targets(tmp_path):
    for force in (False, True):
        with pytest.raises(ResultError, match="is a folder"):
            check_target(tmp_path, force)
    with pytest.raises(ResultError, match=r"does not exist\. Create it"):
        write_toy(tmp_path / "no" / "a.h5")
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match="does not exist"):
        check_target(tmp_path / "file" / "a.h5")
    with pytest.raises(ResultError, match="cannot be looked at"):
        check_target("a\0b")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(ResultError, match="is not a regular file"):
            check_target(tmp_path / "fifo", force=True)
        with pytest.raises(ResultError, match="not a regular file"):
            check_seal(tmp_path / "fifo")  # must not wait for a writer


@POSIX
def test_no_permission_is_a_clear_error(tmp_path):
    """In a child that gives up root if the tests run as root."""
    (tmp_path / "closed").mkdir(mode=0o555)
    (tmp_path / "secret.h5").write_text("x" * 200)
    (tmp_path / "secret.h5").chmod(0)
    tmp_path.chmod(0o777)
    code = """
        import os, sys
        from tumorsim.store import ResultError
        from tumorsim.store.sealing import check_seal, commit
        if os.getuid() == 0:
            os.setgid(65534); os.setuid(65534)
        os.chdir(int(sys.argv[1]))
        for attempt in (lambda: commit("closed/a.h5", b"x"), lambda: check_seal("secret.h5")):
            try:
                attempt()
            except ResultError as error:
                print(error)
    """
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        out, err = child(code, folder, pass_fds=[folder]).communicate(timeout=60)
    finally:
        os.close(folder)
    assert "the folder closed is not writable" in out, err
    assert "secret.h5: cannot be read (Permission denied)" in out
    assert names(tmp_path / "closed") == []


# --- the disk refuses ------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_leaves_nothing_or_the_old_file(force, tmp_path):
    """The file size is limited at 12 points: every failure leaves what was there before."""
    path = tmp_path / "a.h5"
    whole = write_toy(tmp_path / "whole.h5").stat().st_size
    old = write_toy(path).read_bytes() if force else None
    code = """
        import resource, sys
        from pathlib import Path
        from toy_result import write_toy
        from tumorsim.store import ResultError
        path, force, limits = Path(sys.argv[1]), sys.argv[2] == "True", [int(n) for n in sys.argv[3:]]
        for limit in limits:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            before = path.read_bytes() if path.exists() else None
            try:
                write_toy(path, force=force)
                print("written", limit)
            except ResultError as error:
                after = path.read_bytes() if path.exists() else None
                left = [p.name for p in path.parent.iterdir() if p.name.endswith(".part")]
                print("kept" if after == before and not left else "BROKEN", limit, error)
    """
    limits = [whole * k // 11 for k in range(11)] + [whole - 1]
    out, err = child(code, path, force, *limits).communicate(timeout=120)
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == ["kept"] * 12, out + err
    assert all(
        "no room for 0.1 MB (File too large); nothing was written, an earlier file is untouched" in x for x in lines
    )
    assert (path.read_bytes() if force else None) == old
    assert names(tmp_path) == (["a.h5", "whole.h5"] if force else ["whole.h5"])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "link"])
def test_an_error_at_the_last_step_leaves_nothing(code, call, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(ResultError, match="no room" if code != errno.EIO else "cannot be written"):
        write_toy(tmp_path / "a.h5")
    assert names(tmp_path) == []


def test_a_disk_that_gives_back_other_bytes_is_noticed(tmp_path, monkeypatch):
    real = os.fsync

    def corrupt(descriptor: int) -> None:
        real(descriptor)
        (part,) = tmp_path.glob(".*.part")
        content = bytearray(part.read_bytes())
        content[100] ^= 1
        part.write_bytes(content)

    monkeypatch.setattr(os, "fsync", corrupt)
    with pytest.raises(ResultError, match="gave back other bytes"):
        write_toy(tmp_path / "a.h5")
    monkeypatch.undo()
    assert names(tmp_path) == []


# --- the writer is stopped ----------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("moment", ["write", "fsync", "before link", "after link", "before replace"])
def test_kill_9_at_every_step_leaves_no_partial_result(moment, tmp_path):
    path = tmp_path / "a.h5"
    force = moment == "before replace"
    if force:
        write_toy(path)
    old = path.read_bytes() if force else None
    code = """
        import os, signal, sys
        from pathlib import Path
        from toy_result import write_toy
        import tumorsim.store.sealing as sealing
        path, moment = Path(sys.argv[1]), sys.argv[2]
        real = os.link
        def die(*arguments):
            if moment == "after link":
                real(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        class Slow(type(open(os.devnull, "wb", buffering=0))):
            def write(self, piece):
                super().write(piece[: len(piece) // 2])
                die()
        if moment == "write":
            sealing.open = lambda name, mode: Slow(name, "xb")
        else:
            setattr(os, {"fsync": "fsync", "before replace": "replace"}.get(moment, "link"), die)
        write_toy(path, force=moment == "before replace")
        print("survived")
    """
    process = child(code, path, moment)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, out + err
    visible = [name for name in names(tmp_path) if not name.startswith(".")]
    if moment == "after link":
        assert read(path).summary["scenario"] == "toy"
    else:
        assert visible == (["a.h5"] if force else [])
        assert (path.read_bytes() if force else None) == old
    write_toy(path, force=True)  # what is left behind is in nobody's way
    assert read(path).summary["scenario"] == "toy"


@POSIX
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_at_random_moments_loses_no_committed_result(kills, tmp_path, record_property):
    code = """
        import sys
        from itertools import count
        from pathlib import Path
        from toy_result import write_toy
        from toy_trial import make_trial
        data = make_trial(n=6, trace=2)
        for i in count():
            write_toy(Path(sys.argv[1]) / f"{i}.h5", data)
            print(i, flush=True)
    """
    luck, whole, committed = random.Random(5), 0, 0
    for attempt in range(kills):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = child(code, folder)
        assert process.stdout is not None
        told = [int(process.stdout.readline())]  # however busy the machine is, one result is there
        time.sleep(luck.uniform(0.0, 0.4))
        process.kill()
        told += [int(line) for line in process.communicate()[0].split()]
        visible = {path.name for path in folder.glob("[0-9]*.h5")}
        assert {f"{i}.h5" for i in told} <= visible
        for name in visible:
            read(folder / name)
        whole, committed = whole + len(visible), committed + len(told)
    record_property("killed / visible and whole / committed / lost", f"{kills} / {whole} / {committed} / 0")
    print(f"\nkill -9: {kills} kills, {whole} visible results, all whole; {committed} reported as written, 0 lost")
    assert whole >= committed >= kills


@POSIX
def test_ctrl_c_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_toy(tmp_path / "a.h5")
    assert names(tmp_path) == []


# --- writers beside each other ---------------------------------------------------------------


def test_of_writers_racing_for_one_name_exactly_one_wins(tmp_path):
    contents = [bytes([65 + i]) * 200_000 for i in range(8)]

    def attempt(content: bytes) -> bool:
        try:
            commit(tmp_path / "a", content)
        except ResultError as error:
            assert "exists already" in str(error)  # noqa: PT017
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, contents))
    assert sum(won) == 1
    assert (tmp_path / "a").read_bytes()[:-SEAL_SIZE] == contents[won.index(True)]
    assert names(tmp_path) == ["a"]


@pytest.mark.slow
def test_forced_writers_beside_readers_always_leave_a_whole_file(tmp_path):
    path = write_toy(tmp_path / "a.h5")
    trials = [make_trial(n=6, trace=2, seed=seed) for seed in (1, 2)]
    processes = [
        child(
            """
            import sys
            from pathlib import Path
            from toy_result import write_toy
            from toy_trial import make_trial
            data = make_trial(n=6, trace=2, seed=int(sys.argv[2]))
            for _ in range(6):
                write_toy(Path(sys.argv[1]), data, force=True)
            """,
            path,
            seed,
        )
        for seed in (1, 2)
    ]
    reads = replaced = 0
    while any(process.poll() is None for process in processes):
        try:
            read(path)
            reads += 1
        except ResultError as error:
            assert "was replaced while it was read" in str(error)  # noqa: PT017
            replaced += 1
    assert [process.communicate()[1] for process in processes] == ["", ""]
    assert reads > 0
    assert any(not compare(read(path).data, trial) for trial in trials)
    assert names(tmp_path) == ["a.h5"]
    print(f"\n{reads} reads whole, {replaced} told that the file was replaced")


def test_without_hard_links_the_name_is_still_reserved(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_toy(tmp_path / "a.h5")
    assert read(tmp_path / "a.h5").summary["scenario"] == "toy"
    assert names(tmp_path) == ["a.h5"]

    # A file that appears between the early check and the last step is kept.
    import tumorsim.store.sealing as module

    real = module._publish_without_links
    monkeypatch.setattr(module, "_publish_without_links", lambda part, path: (path.write_text("new"), real(part, path)))
    with pytest.raises(ResultError, match="exists already"):
        write_toy(tmp_path / "b.h5")
    assert (tmp_path / "b.h5").read_text() == "new"
    assert names(tmp_path) == ["a.h5", "b.h5"]


def test_a_file_made_during_the_computation_is_kept(tmp_path, monkeypatch):
    real = os.fsync

    def arrive(descriptor: int) -> None:
        real(descriptor)
        (tmp_path / "a.h5").write_text("somebody else's")

    monkeypatch.setattr(os, "fsync", arrive)
    with pytest.raises(ResultError, match="exists already"):
        write_toy(tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_text() == "somebody else's"
    assert names(tmp_path) == ["a.h5"]


# --- the seal ------------------------------------------------------------------------------------


def test_the_seal_sees_every_byte_of_a_small_file(tmp_path):
    path = commit(tmp_path / "a", b"some content")
    whole = path.read_bytes()
    check_seal(path)
    for i in range(len(whole)):
        for bit in (1, 128):
            path.write_bytes(whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :])
            with pytest.raises(ResultError):
                check_seal(path)
        path.write_bytes(whole[:i])
        with pytest.raises(ResultError):
            check_seal(path)
    for longer in (whole + b"\n", b"x" + whole, whole + whole):
        path.write_bytes(longer)
        with pytest.raises(ResultError):
            check_seal(path)


def test_other_files_are_told_apart(tmp_path):
    with pytest.raises(ResultError, match="does not exist"):
        read(tmp_path / "none.h5")
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(ResultError, match="it has only 3 bytes"):
        read(tmp_path / "short")
    (tmp_path / "text").write_bytes(b"no result " * 50)
    with pytest.raises(ResultError, match="no seal at its end"):
        read(tmp_path / "text")
    with pytest.raises(ResultError, match=r"cannot be read as a result \(OSError"):
        read(commit(tmp_path / "sealed text", b"no result " * 50))
    with pytest.raises(ResultError, match="not a regular file"):
        read(tmp_path)


def test_the_file_gets_the_permissions_of_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        path = commit(tmp_path / "a", b"x")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_replaced_between_seal_and_opening_is_told(tmp_path, monkeypatch):
    """What was checked and what is read must be one file."""
    path = write_toy(tmp_path / "a.h5")
    other = write_toy(tmp_path / "b.h5", make_trial(n=7, trace=1))

    def checked_then_replaced(found: Path) -> os.stat_result:
        state = check_seal(found)
        os.replace(other, found)
        return state

    monkeypatch.setattr("tumorsim.store.access.check_seal", checked_then_replaced)
    with pytest.raises(ResultError, match="was replaced while it was read"):
        read(path)
    monkeypatch.undo()
    assert read(path).data.size == 7
