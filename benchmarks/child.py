"""Run a command and say what it took: ``python child.py TOLD.json COMMAND...``.

The system counts a process's peak memory from its birth, as a copy of the one that started it. A benchmark that has
loaded gigabytes therefore starts this small process first, and this one the command.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(told: str, command: list[str]) -> None:
    """Write seconds, exit code and peak memory in MiB to the file ``told``."""
    begun = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(child, 0)
    seconds = time.perf_counter() - begun
    kib = used.ru_maxrss / 1024.0 if sys.platform == "darwin" else float(used.ru_maxrss)
    code = os.waitstatus_to_exitcode(status)
    with open(told, "w", encoding="utf-8") as file:
        json.dump({"seconds": seconds, "code": code, "peak_mib": kib / 1024.0}, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
