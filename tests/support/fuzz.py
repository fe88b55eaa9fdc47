"""Load many changed files: ``PYTHONPATH=.:tests/support python tests/support/fuzz.py --count 200000 --format all``.

File k of a format is the same in every run, so that a finding is its number: ``--format onnx --only 4711`` loads one
file again and prints what happens; ``--keep FOLDER`` writes it there. A child process loads them one after the other;
the parent ends it when a file takes too long, and starts another behind it when it crashed.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import hostile

HANG = 60.0  # seconds without a sign after which a child is ended; its own limit is the time of the processor
START = 120.0  # seconds more before the first sign
MEMORY = 4 << 30  # address space of a child: what would take more fails there


class Late(BaseException):
    """A file took longer than allowed."""


def _late(*_: object) -> None:
    raise Late


def _peak() -> int:
    """Return the largest memory of this process since it was last asked."""
    status = Path("/proc/self/status").read_text().splitlines()
    found = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return found


def _now() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def child(name: str, first: int, count: int) -> None:
    """Load files and write a line of JSON for each: its number, and what happened."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _late)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        path = hostile.prepared(Path(folder), name)
        path.write_bytes(hostile.changed(name, 0, long=True))
        hostile.fault(path, traced=False)  # all is imported now, and its time is not that of the first file
        for number in range(first, first + count):
            content = hostile.changed(name, number, long=True)
            path.write_bytes(content)
            print(json.dumps({"starts": number}), flush=True)
            _peak()
            before = _now()
            signal.setitimer(signal.ITIMER_PROF, hostile.SECONDS * 2)
            started = time.process_time()
            try:
                found = hostile.fault(path, traced=False)
            except Late:
                found = f"still not done after {hostile.SECONDS * 2} s"
            except BaseException as error:
                found = f"{type(error).__name__} left load: {error}"
            signal.setitimer(signal.ITIMER_PROF, 0)
            seconds = time.process_time() - started
            if found is not None and found.startswith("it took") and seconds < hostile.SECONDS:
                found = None  # other processes had the processor
            grown = _peak() - before
            allowed = hostile.bound(len(content))
            if found is None and grown > allowed:
                found = f"memory grew by {grown} bytes, {allowed} are allowed"
            print(json.dumps({"done": number, "fault": found, "seconds": seconds, "grown": grown}), flush=True)


def watched(name: str, first: int, count: int, until: float, report: Any) -> collections.Counter[str]:
    """Run children until all files of a format were loaded, or the time is over."""
    totals: collections.Counter[str] = collections.Counter()
    number, end = first, first + count
    while number < end and time.time() < until:
        command = [
            sys.executable,
            __file__,
            "--child",
            "--format",
            name,
            "--first",
            str(number),
            "--count",
            str(end - number),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        running = number
        pipe = process.stdout.fileno()
        sign, rest, ended = time.time() + START, "", ""
        while not ended:
            ready = select.select([pipe], [], [], 1.0)[0]
            text = os.read(pipe, 1 << 16).decode() if ready else ""
            if text:
                sign, rest = time.time(), rest + text
                *lines, rest = rest.split("\n")
                for line in lines:
                    said = json.loads(line)
                    if "starts" in said:
                        running = said["starts"]
                        continue
                    number = said["done"] + 1
                    totals["files"] += 1
                    totals["µs"] += int(1e6 * said["seconds"])
                    totals["slowest, ms"] = max(totals["slowest, ms"], int(1000 * said["seconds"]))
                    totals["most memory, MB"] = max(totals["most memory, MB"], said["grown"] >> 20)
                    if said["fault"] is not None:
                        totals["findings"] += 1
                        report(name, said["done"], said["fault"])
            elif ready:  # the end of what the child wrote
                process.wait()
                ended = "" if number == end else f"the process ended with {process.returncode}"
                break
            elif time.time() - sign > HANG:
                ended = f"no sign for {HANG} s"
            elif time.time() > until:
                break
        process.kill()
        process.wait()
        if ended or (number < end and time.time() < until):
            totals["findings"] += 1
            totals["files"] += 1
            report(name, running, ended or f"the process ended with {process.returncode}")
            number = running + 1
    return totals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="files in all")
    parser.add_argument("--seconds", type=float, default=1e9, help="most time")
    parser.add_argument("--format", default="all", choices=["all", *hostile.HOSTILE])
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--only", type=int, help="load this file and print what happens")
    parser.add_argument("--keep", type=Path, help="a folder for the files that are found")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = list(hostile.HOSTILE) if given.format == "all" else [given.format]
    if given.child:
        child(names[0], given.first, given.count)
        return
    if given.only is not None:
        path = hostile.prepared(given.keep or Path(tempfile.mkdtemp()), names[0])
        path.write_bytes(hostile.changed(names[0], given.only, long=True))
        print(path, hostile.load(path))
        return
    started = time.time()

    def report(name: str, number: int, said: str) -> None:
        print(f"{name} {number}: {said}", flush=True)
        if given.keep is not None:
            given.keep.mkdir(exist_ok=True)
            content = hostile.changed(name, number, long=True)
            (given.keep / f"{name}-{number}{hostile.HOSTILE[name].suffix}").write_bytes(content)

    for k, name in enumerate(names):
        count = given.count // len(names)
        until = started + given.seconds * (k + 1) / len(names)
        totals = watched(name, given.first, count, until, report)
        print(name, dict(totals), f"{time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
