"""Streams, progress, errors and exit codes of the command line."""

import io
import json
import signal

import pytest
import typer

from tumorsim.cli.console import Code, Progress, Voice, clock, guarded, print_json, printable


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


@pytest.fixture(autouse=True)
def normal_voice(monkeypatch):
    monkeypatch.setattr(Voice, "level", 0)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (4320, "1 h 12 min"),
    ],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_log_gets_a_plain_line_every_30_seconds(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream, now = io.StringIO(), Clock()
    progress = Progress("patients", stream, now)
    for done in range(1, 101):
        now.time += 1.0
        progress(done, 100)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0] == " 30% of 100 patients, 30 s gone, 1 min 10 s left"
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_terminal_gets_one_line_that_is_wiped():
    stream, now = Terminal(), Clock()
    with Progress("patients", stream, now) as progress:
        for done in (10, 20):
            now.time += 5.0
            progress(done, 100)
    assert stream.getvalue().count("\r") == 3
    assert "\n" not in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_dumb_terminal_is_a_log(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not Progress("patients", Terminal()).live


def test_time_left_leaves_compilation_out():
    """40 s pass before the first patient; then one patient a second."""
    stream, now = io.StringIO(), Clock()
    progress = Progress("patients", stream, now)
    now.time += 40.0
    progress(1, 61)
    now.time += 30.0
    progress(31, 61)
    assert stream.getvalue().splitlines()[-1].endswith("1 min 10 s gone, 30 s left")


def test_quiet_progress_says_nothing(monkeypatch):
    monkeypatch.setattr(Voice, "level", -1)
    stream, now = io.StringIO(), Clock()
    progress = Progress("patients", stream, now)
    now.time += 100.0
    progress(1, 2)
    assert stream.getvalue() == ""


def test_a_title_cannot_drive_the_terminal():
    assert printable("a\x1b[2Jb\rc\nd×é") == "a�[2Jb�c\nd×é"


def test_json_refuses_nan():
    with pytest.raises(ValueError, match=r"Out of range float"):
        print_json({"hr": float("nan")})


def code_of(action, **options):
    """Exit code of a verb whose body is ``action``."""

    def verb(quiet: bool = False, verbose: bool = False):
        return action()

    try:
        guarded(verb)(**options)
    except typer.Exit as end:
        return end.exit_code
    return 0


def fail(error):
    def action():
        raise error

    return action


def test_exit_codes(capsys):
    from tumorsim.store import ResultError

    assert code_of(lambda: None) == 0
    assert code_of(lambda: Code.PARTIAL) == 3
    assert code_of(fail(ResultError("r.h5", "file", "is damaged", "Copy it again"))) == 2
    assert code_of(fail(FileNotFoundError(2, "No such file or directory", "a.yaml"))) == 2
    assert code_of(fail(KeyboardInterrupt())) == 130
    assert code_of(fail(ZeroDivisionError("oops"))) == 1
    err = capsys.readouterr().err
    assert "r.h5: is damaged. Copy it again." in err
    assert "a.yaml: No such file or directory" in err
    assert "ZeroDivisionError: oops" in err
    assert "Add -v" in err
    assert "Traceback" not in err


def test_traceback_only_when_asked_for(capsys):
    assert code_of(fail(ZeroDivisionError("oops")), verbose=True) == 1
    assert "Traceback" in capsys.readouterr().err


def test_errors_are_said_under_quiet(capsys):
    assert code_of(fail(FileNotFoundError(2, "No such file or directory", "a.yaml")), quiet=True) == 2
    assert "a.yaml" in capsys.readouterr().err


def test_sigterm_is_an_interruption():
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert code_of(lambda: signal.raise_signal(signal.SIGTERM)) == 130
    finally:
        signal.signal(signal.SIGTERM, before)


def test_one_json_object(capsys):
    print_json({"arms": [1, None], "label": "×"})
    assert json.loads(capsys.readouterr().out) == {"arms": [1, None], "label": "×"}
