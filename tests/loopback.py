"""A Dask scheduler and workers on this machine, as commands start them; every process is ours and ends with us."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

QUIET = ("--no-dashboard",)


class Loopback:
    """A scheduler with workers of so many threads each; a context manager."""

    def __init__(self, folder: Path, workers: int = 2, threads: int = 1) -> None:
        self.folder, self.threads = folder, threads
        self.file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file)
        self.workers: list[subprocess.Popen[bytes]] = []
        try:
            deadline = time.monotonic() + 60.0
            while not self.file.exists() or not self.file.stat().st_size:
                assert self.scheduler.poll() is None, self.said()
                assert time.monotonic() < deadline, "the scheduler does not start"
                time.sleep(0.05)
            self.address = str(json.loads(self.file.read_text())["address"])
            for _ in range(workers):
                self.add()
        except BaseException:
            self.close()
            raise

    def add(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start one more worker, without a nanny: killed, it stays dead."""
        options = ("--nthreads", self.threads, "--no-nanny", "--death-timeout", "60", "--local-directory", self.folder)
        worker = self._start("worker", self.address, *options, **environment)
        self.workers.append(worker)
        return worker

    def _start(self, what: str, *options: object, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / "said.txt").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", what, *map(str, options), *QUIET], stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, env=os.environ | {"NUMBA_NUM_THREADS": "1"} | environment,
            )  # fmt: skip

    def said(self) -> str:
        """What its processes wrote."""
        return (self.folder / "said.txt").read_text(errors="replace")

    def close(self) -> None:
        """End every process, at once."""
        for process in (*self.workers, self.scheduler):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait()

    def __enter__(self) -> "Loopback":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
