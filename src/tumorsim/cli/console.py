"""What every verb of the command line shares: streams, progress, signals, errors and exit codes.

Results go to stdout, everything else to stderr. Nothing here imports more than
the standard library, so that ``tumorsim --help`` stays quick.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TextIO

from typer import Exit

P = ParamSpec("P")
PLAIN_INTERVAL = 30.0  # seconds between progress lines in a log
LIVE_INTERVAL = 0.1


class Code(IntEnum):
    """Exit codes."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    PARTIAL = 3
    INTERRUPTED = 130


class Voice:
    """How much is said on stderr: -1 nothing but errors, 0 progress, 1 tracebacks as well."""

    level = 0


def say(text: str) -> None:
    """One line for people on stderr; silent under ``--quiet``."""
    if Voice.level >= 0:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def complain(text: str) -> None:
    """An error on stderr, said even under ``--quiet``."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def program() -> str:
    """How this program was called, so that the commands it suggests work as they stand.

    ``tumorsim`` where the shell would find this one, else its path, or ``python -m tumorsim``.
    """
    called = Path(sys.argv[0])
    if called.name != "tumorsim":
        return f"{Path(sys.executable).name} -m tumorsim" if called.name == "__main__.py" else "tumorsim"
    found = shutil.which("tumorsim")
    if found is not None and os.path.samefile(found, called):
        return "tumorsim"
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) or not called.is_absolute() else str(called)


def print_json(answer: Mapping[str, Any]) -> None:
    """One JSON object on stdout; missing numbers are null already."""
    print(json.dumps(answer, indent=2, ensure_ascii=False, allow_nan=False))  # noqa: T201


def printable(text: object) -> str:
    """Text from a file without control characters, so that a stranger's title cannot drive the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in str(text))


def live(stream: TextIO) -> bool:
    """Whether cursor codes may be written: only on a real terminal, whatever FORCE_COLOR says."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def clock(seconds: float) -> str:
    """A duration as people write it: ``8 s``, ``2 min 05 s``, ``1 h 12 min``."""
    whole = round(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """One progress line with the time left: rewritten in place on a terminal, every 30 s in a log.

    Parameters
    ----------
    what
        What is being counted, e.g. ``"patients"``.
    stream
        Where to write; stderr if not given.
    now
        The clock in seconds, replaced in tests.
    """

    def __init__(self, what: str, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self.what = what
        self.stream = sys.stderr if stream is None else stream
        self.now = now
        self.live = live(self.stream)
        self.started = self.last = now()
        self.drawn = False
        self.first: tuple[float, float] | None = None

    def __call__(self, done: float, total: float) -> None:
        """Tell that ``done`` of ``total`` is finished."""
        moment = self.now()
        # compiling comes before the first report: the rate is measured from that report on
        self.first = self.first or (moment, done)
        if Voice.level < 0 or moment - self.last < (LIVE_INTERVAL if self.live else PLAIN_INTERVAL):
            return
        self.last = moment
        line = self.line(done, total, moment)
        self.stream.write(f"\r{line}\x1b[K" if self.live else f"{line}\n")
        self.stream.flush()
        self.drawn = self.live

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self.now() - self.started

    def line(self, done: float, total: float, moment: float) -> str:
        """The line itself; the time left once there is a rate to tell it from."""
        share = min(max(done / total, 0.0), 1.0) if total else 1.0
        left = ""
        if self.first is not None and done > self.first[1]:
            rate = (done - self.first[1]) / max(moment - self.first[0], 1e-9)
            left = f", {clock((total - done) / rate)} left"
        return f"{share:4.0%} of {total:,.0f} {self.what}, {clock(moment - self.started)} gone{left}"

    def note(self, text: str) -> None:
        """A line of text, not into the middle of the progress line."""
        self.close()
        say(text)

    def close(self) -> None:
        """Leave a clean line behind."""
        if self.drawn:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Python delivers a signal between two kernel slices, so the arrays are whole when this is raised.
    raise KeyboardInterrupt


def _is_message(error: Exception) -> bool:
    """Whether the error is meant for the user: an exception class of ours, or the operating system's."""
    return isinstance(error, OSError) or type(error).__module__.startswith("tumorsim")


def _describe(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _silence_stdout() -> None:
    # The reader (`| head`) has gone: what is still buffered must not fail again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def going_on(path: Path, nothing: str) -> Iterator[None]:
    """An interruption says how to go on, and from what; or ``nothing``, where there is nothing to go on from."""
    try:
        yield
    except KeyboardInterrupt:
        from tumorsim.common_api import partial_folder

        folder = partial_folder(path)
        left = f"the same command goes on; what is done lies in {folder}" if folder.exists() else nothing
        raise KeyboardInterrupt(left) from None


def guarded(verb: Callable[P, Code | None]) -> Callable[P, None]:
    """A verb whose errors become one message and an exit code, never a traceback.

    Exceptions declared in this package and those of the operating system are bad
    input (2); SIGINT and SIGTERM stop between kernel slices (130); anything else
    is a defect (1), with its traceback under ``-v``.
    """

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        Voice.level = -1 if kwargs.get("quiet") else int(bool(kwargs.get("verbose")))
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a terminal without × or – shows ? instead of failing
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _interrupt)
        try:
            code = verb(*args, **kwargs) or Code.DONE
            sys.stdout.flush()
        except Exit:
            raise
        except KeyboardInterrupt as stopped:  # a verb that can go on says how
            complain(f"interrupted: {stopped.args[0] if stopped.args else 'nothing was left half written'}")
            code = Code.INTERRUPTED
        except BrokenPipeError:
            _silence_stdout()
            code = Code.DONE
        except Exception as error:
            code = _explain(verb.__name__, error)
        if code:
            raise Exit(int(code))

    return run


def _explain(verb: str, error: Exception) -> Code:
    if Voice.level >= 1:
        import traceback

        traceback.print_exc()
    if _is_message(error):
        complain(printable(_describe(error)))
        return Code.BAD_INPUT
    complain(printable(f"tumorsim {verb} failed unexpectedly: {type(error).__name__}: {error}"))
    if Voice.level < 1:
        complain("This is a defect. Add -v to see where, and please report it with the scenario file.")
    return Code.FAILED
