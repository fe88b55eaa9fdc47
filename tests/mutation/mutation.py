"""Mutation testing: change one operator, number or condition at a time, and see whether a test fails.

Run from the project root: ``python tests/mutation/mutation.py`` (or ``make mutation``). The tests are collected once;
for every mutant a process is forked in which the changed function has the changed code, and the tests that reach its
line run, the quick ones first, until one fails. Nothing is written to the source tree. A mutant that changes more than
the body of functions (a default, a table, a decorator) is imported anew.
"""

import functools
import gc
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import itertools
import json
import marshal
import mmap
import os
import pickle
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import FunctionType
from typing import Any

import click
import coverage
import numpy  # (loaded before the forks, like the others; the package itself must not be)
import pytest
import scipy.special  # noqa: F401
from hypothesis import Phase, settings
from mutants import Mutant, mutants
from mutation_report import reasons, report, write_page
from rich.console import Console
from rich.progress import track

FOLDERS = ["rules", "layers"]  # all files of them
FILES = ["fast/convolution", "fast/windows", "fast/blocks", "fast/quotient"]
TESTS = [str(next(Path("tests").rglob(f"test_{name}.py"))) for name in (
    "small_cases", "declarations", "runs", "share", "edits", "rule_points", "activations", "layer_values", "bounds",
    "rule_data", "rule_faults", "refusals", "faults", "forward", "layers", "facts", "network", "composites",
    "arithmetic", "messages", "literal_layers", "lstm", "recurrent", "recurrence", "cells", "pooling", "equivalences",
    "properties", "rules", "explain", "lstm_steps", "convolution", "convolution_memory", "layer_kinds", "operands",
    "reductions", "routes", "buffers", "blocks", "in_the_cache", "tapes", "walk", "threads", "promises",
    "aggregates", "normalization", "tokens", "cell_products", "literal_distances", "bias", "rescale",
)]  # fmt: skip
ABOUT = {  # the tests written for a file: they run whatever the limit, before those that only pass through it
    "convolution": ("convolution", "convolution_memory", "in_the_cache", "threads"),
    "windows": ("convolution", "bounds"),
    "conv": ("convolution", "in_the_cache", "walk"), "pooling": ("pooling", "buffers", "in_the_cache"),
    "steps": ("recurrence", "recurrent"), "lstm": ("recurrent",), "layer": ("recurrent", "cells"),
    "shared": ("lstm_steps", "cells", "cell_products"), "stepwise": ("cells",), "gru": ("cells", "cell_products"),
    "rnn": ("cells",), "general_lstm": ("cells", "cell_products"),
    "back": ("lstm_steps", "recurrence"),
    "base": ("layer_kinds", "tapes", "walk", "in_the_cache", "operands"), "elementwise": ("walk",),
    "dense": ("layer_kinds",),
    "affine": ("layer_kinds",),
    "share": ("blocks", "buffers", "in_the_cache", "runs", "share"),
    "quotient": ("blocks", "buffers", "in_the_cache", "runs", "share"), "prepared": ("in_the_cache", "share"),
    "blocks": ("buffers", "in_the_cache"),
    "merge": ("operands",), "reduction": ("reductions",),
    "extremum": ("aggregates", "reductions"), "aggregate": ("aggregates",), "normalization": ("normalization",),
    "additive": ("literal_distances",), "distance": ("literal_distances", "rescale"),
    "contrast": ("literal_distances", "rescale"), "winners": ("rescale",), "groups": ("bias",),
    "lookup": ("tokens",), "route": ("routes", "walk"),
}  # fmt: skip
MEMORY = 6 << 30  # bytes of address space of one test process
KILLED, SURVIVED = 1, 0


def targets() -> list[Path]:
    package = Path("lrp_ref")
    files = [package / f"{name}.py" for name in FILES]
    return files + [path for folder in FOLDERS for path in sorted((package / folder).rglob("*.py"))]


# Processes -------------------------------------------------------------------------------------------------------


def in_forks(
    jobs: Iterable[Any], work: Callable[[Any], int], *, workers: int, seconds: float
) -> Iterator[tuple[Any, int]]:
    """Yield (job, exit status) of ``work(job)``, each in a process of its own; too much time or memory is a kill."""
    waiting, running = iter(jobs), {}
    exhausted = False
    while running or not exhausted:
        while len(running) < workers and not exhausted:
            job = next(waiting, None)
            if job is None:
                exhausted = True
                break
            running[_fork(work, job)] = (job, time.monotonic() + seconds)
        for pid, (job, deadline) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done and time.monotonic() > deadline:
                os.kill(pid, 9)
                done, status = os.waitpid(pid, 0)
            if done:
                del running[pid]
                yield job, SURVIVED if status == 0 else KILLED
        time.sleep(0.002)


def _fork(work: Callable[[Any], int], job: Any) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = KILLED
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        status = work(job)
    finally:
        os._exit(status)


# Tests -----------------------------------------------------------------------------------------------------------


class Stop:
    """Ends the process with the verdict as soon as a test fails, before anything is written about it."""

    def __init__(self, path: Path, seconds: dict[str, float], ranks: dict[str, int], limit: float) -> None:
        self.path, self.seconds, self.ranks, self.limit = path, seconds, ranks, limit

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = chosen(items, self.path, self.seconds, self.ranks, self.limit)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        if call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception):
            os._exit(KILLED)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            os._exit(KILLED)


class Collected:
    """Runs ``work`` instead of the tests, once they are collected."""

    def __init__(self, work: Callable[[list[Any]], None]) -> None:
        self.work = work

    def pytest_runtestloop(self, session: Any) -> bool:
        self.work([item for item in session.items if "tmp_path" not in item.fixturenames])
        return True


def varied(names: list[str], seconds: dict[str, float], lines: dict[str, dict[int, list[int]]]) -> dict[str, int]:
    """Return the rank of every test: how often quicker tests have reached the line that they reach least."""
    reached: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for path, found in lines.items():
        for line, tests in found.items():
            for k in tests:
                reached[k].append((path, line))
    times: dict[tuple[str, int], int] = defaultdict(int)
    ranks: dict[str, int] = {}
    for k in sorted(range(len(names)), key=lambda k: seconds.get(names[k], 0)):
        ranks[names[k]] = min((times[place] for place in reached[k]), default=0)  # 0: it may look at declarations
        for place in reached[k]:
            times[place] += 1
    return ranks


def within(items: list[Any], seconds: dict[str, float], ranks: dict[str, int], limit: float) -> list[Any]:
    """Return the tests that together take no longer than ``limit`` seconds, the most varied and quickest first."""
    order = sorted(items, key=lambda item: (ranks.get(item.nodeid, 0), seconds.get(item.nodeid, 0)))
    spent = itertools.accumulate(seconds.get(item.nodeid, 0) for item in order)
    return [item for item, total in zip(order, spent, strict=True) if total <= limit]


def chosen(items: list[Any], path: Path, seconds: dict[str, float], ranks: dict[str, int], limit: float) -> list[Any]:
    """Return the tests about a file, all of them, and of the others as many as the limit allows."""
    own = [item for item in items if item.path.stem.removeprefix("test_") in ABOUT.get(path.stem, ())]
    names = {item.nodeid for item in own}
    return own + within([item for item in items if item.nodeid not in names], seconds, ranks, limit)


class Killers:
    """How often each test was tried and has killed, shared between the processes: the best killers run first."""

    def __init__(self, items: list[Any], seconds: dict[str, float]) -> None:
        self.place = {item.nodeid: k for k, item in enumerate(items)}
        self.cost = numpy.array([seconds.get(item.nodeid, 0) + 0.001 for item in items])
        memory = mmap.mmap(-1, max(1, 2 * 8 * len(items)))
        self.tried, self.killed = numpy.frombuffer(memory, dtype=numpy.int64, count=2 * len(items)).reshape(2, -1)

    def first(self, items: list[Any]) -> list[Any]:
        """Return the tests by what they are expected to kill per second, the largest first."""
        rate = (self.killed + 0.5) / (self.tried + 1) / self.cost
        return sorted(items, key=lambda item: -rate[self.place[item.nodeid]])

    def pytest_runtest_setup(self, item: Any) -> None:
        self.tried[self.place[item.nodeid]] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        if call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception):
            self.killed[self.place[item.nodeid]] += 1
            os._exit(KILLED)


OPTIONS = ["-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:faulthandler", "-s", "--assert=plain"]


def run(items: list[Any]) -> int:
    for item, after in zip(items, [*items[1:], None], strict=False):  # (no items: no test reaches the mutant)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
    return SURVIVED


class Reach:
    """Which tests reach which line, and how long each takes: measured once on the unchanged source."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.lines: dict[str, dict[int, list[int]]] = {}
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def measure(self, items: list[Any], part: int, parts: int) -> None:
        """Run every ``parts``-th file of tests."""
        names = sorted({item.path.name for item in items})
        own = [k for k, item in enumerate(items) if names.index(item.path.name) % parts == part]
        items[0].config.pluginmanager.register(self)
        watched = coverage.Coverage(
            data_file=None, include=[str(p.resolve()) for p in targets()], config_file=False, messages=False
        )
        watched.start()
        for k, after in zip(own, [*own[1:], None], strict=True):
            watched.switch_context(str(k))
            following = None if after is None else items[after]
            items[k].config.hook.pytest_runtest_protocol(item=items[k], nextitem=following)
        watched.stop()
        data = watched.get_data()
        for path in targets():
            found = data.contexts_by_lineno(str(path.resolve()))
            self.lines[str(path)] = {line: [int(c) for c in contexts if c] for line, contexts in found.items()}

    def tests(self, mutant: Mutant, items: list[Any]) -> list[Any]:
        """Return the tests that reach the line of a mutant."""
        lines = self.lines[str(mutant.path)]
        reached = lines.get(mutant.line)
        if not reached:  # a line within a statement: that of the whole function
            first = max((first for (_, first), _ in mutant.functions or ()), default=0)
            reached = sorted({k for line, ks in lines.items() if first <= line <= first + 60 for k in ks})
        return [items[k] for k in reached]


def in_place(
    pending: list[Mutant],
    verdicts: dict[Mutant, bool],
    times: dict[str, float],
    ranks: dict[str, int],
    *,
    workers: int,
    limit: float,
    say: Any,
) -> None:
    """Judge the mutants that change only functions: in a fork of the process that has collected the tests."""

    def work(items: list[Any]) -> None:
        reach = _measured(items, workers)
        if reach.failed:
            raise click.ClickException(f"tests fail without any mutant: {', '.join(reach.failed[:5])}")
        times.update(reach.seconds)
        ranks.update(varied([item.nodeid for item in items], reach.seconds, reach.lines))
        alive = _functions()
        gc.freeze()
        killers = Killers(items, reach.seconds)
        items[0].config.pluginmanager.register(killers)

        def judge(mutant: Mutant) -> int:
            for where, code in mutant.functions or ():
                for function in alive[(str(mutant.path.resolve()), *where)]:
                    function.__code__ = marshal.loads(code)  # noqa: S302
            tests = chosen(reach.tests(mutant, items), mutant.path, reach.seconds, ranks, limit)
            return run(killers.first(tests))

        for mutant, status in say(in_forks(pending, judge, workers=workers, seconds=5 * limit + 15), len(pending)):
            verdicts[mutant] = status == KILLED

    pytest.main([*OPTIONS, *TESTS], plugins=[Collected(work)])


def _measured(items: list[Any], workers: int) -> Reach:
    """Measure the tests in several processes, or recall what was measured of the same source and tests."""
    digest = hashlib.sha256(repr((TESTS, workers)).encode())
    for path in [*targets(), *sorted(Path("tests").rglob("test_*.py"))]:
        digest.update(path.read_bytes())
    store = Path(tempfile.gettempdir()) / f"mutation-{digest.hexdigest()[:24]}"
    files = [store.with_suffix(f".{k}.pickle") for k in range(workers)]

    def measure(k: int) -> int:
        reach = Reach()
        reach.measure(items, k, workers)
        partial = files[k].with_suffix(".part")
        partial.write_bytes(pickle.dumps((dict(reach.seconds), reach.lines, reach.failed)))
        partial.replace(files[k])
        return 0

    list(in_forks([k for k in range(workers) if not files[k].exists()], measure, workers=workers, seconds=900))
    whole = Reach()
    for file in files:
        seconds, lines, failed = pickle.loads(file.read_bytes())  # noqa: S301
        whole.seconds.update(seconds)
        whole.failed += failed
        for path, reached in lines.items():
            for line, tests in reached.items():
                whole.lines.setdefault(path, {}).setdefault(line, []).extend(tests)
    return whole


def _functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Return every living function of the mutated files by (file, qualified name, first line)."""
    paths = {str(p.resolve()) for p in targets()}
    found: dict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename in paths:
            code = thing.__code__
            found[(code.co_filename, code.co_qualname, code.co_firstlineno)].append(thing)
    return found


class Changed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports the mutated module from the changed source."""

    def __init__(self, mutant: Mutant) -> None:
        name = ".".join(mutant.path.with_suffix("").parts).removesuffix(".__init__")
        importlib.machinery.SourceFileLoader.__init__(self, name, str(mutant.path.resolve()))
        self.source = mutant.source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        return (
            importlib.util.spec_from_file_location(fullname, self.path, loader=self) if fullname == self.name else None
        )

    def get_code(self, fullname: str) -> Any:
        return compile(self.source, self.path, "exec", dont_inherit=True)


def afresh(mutant: Mutant, times: dict[str, float], ranks: dict[str, int], limit: float) -> int:
    """Judge a mutant in a process that imports it."""
    sys.meta_path.insert(0, Changed(mutant))
    pytest.main([*OPTIONS, *TESTS], plugins=[Stop(mutant.path, times, ranks, limit)])
    return SURVIVED


# Command ---------------------------------------------------------------------------------------------------------


@click.command()
@click.option("--file", "names", multiple=True, help="only these files, such as lrp_ref/rules/rule.py")
@click.option("--share", default=1.0, show_default=True, help="random share of the mutants of each file")
@click.option("--seed", default=0, show_default=True, help="of the random share")
@click.option("--workers", default=os.cpu_count(), show_default=True, help="processes at a time")
@click.option("--limit", default=8.0, show_default=True, help="seconds of tests per mutant, as timed without it")
@click.option("--after", multiple=True, help="verdicts of earlier runs: what they killed is not judged again")
@click.option("--survivors", is_flag=True, help="only the mutants that are listed with a reason")
@click.option("--page", is_flag=True, help="write the result into docs/mutation.md")
def main(
    names: tuple[str, ...],
    share: float,
    seed: int,
    workers: int,
    limit: float,
    after: tuple[str, ...],
    survivors: bool,
    page: bool,
) -> None:
    """Report which share of the mutants the tests kill, and every survivor; fail if one has no known reason."""
    warnings.simplefilter("ignore", SyntaxWarning)
    settings.register_profile("mutation", phases=[Phase.explicit, Phase.generate])  # a failure is enough: no shrinking
    settings.load_profile("mutation")
    if page and (names or survivors or share != 1):
        raise click.UsageError("--page is about all mutants: leave out --file, --share and --survivors")
    console = Console(width=None if sys.stdout.isatty() else 150)
    chosen = [p for p in targets() if not names or str(p) in names]
    with ProcessPoolExecutor(workers) as pool:
        made = pool.map(functools.partial(mutants, share=share, seed=seed), chosen)
        pending = [m for found in made for m in found]
    random.Random(seed).shuffle(pending)  # a run that is cut short has judged a random sample
    known = reasons(targets())
    if survivors:
        pending = [m for m in pending if m.key in known]
    before = [json.loads(line) for path in after for line in Path(path).read_text().splitlines()]
    gone = {(d["file"], d["line"], d["operator"], d["was"], d["now"]) for d in before if d["killed"]}
    done = [m for m in pending if (str(m.path), m.line, m.operator, m.was, m.now) in gone]
    pending = [m for m in pending if m not in set(done)]
    verdicts: dict[Mutant, bool] = {}
    log = Path(tempfile.mkdtemp(prefix="mutation-")) / "verdicts.jsonl"
    console.print(f"{len(pending)} mutants; every verdict as it falls: {log}")

    def say(results: Iterator[tuple[Any, int]], total: int) -> Iterable[tuple[Any, int]]:
        for mutant, status in track(results, total=total, console=Console(stderr=True)):
            entry = {"file": str(mutant.path), "line": mutant.line, "operator": mutant.operator, "was": mutant.was,
                     "now": mutant.now, "killed": status == KILLED}  # fmt: skip
            with log.open("a") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            yield mutant, status

    quick = [m for m in pending if m.functions is not None]
    with tempfile.NamedTemporaryFile() as file:  # tests are collected in a process of their own: this one stays bare
        pid = os.fork()
        if not pid:
            try:
                times: dict[str, float] = {}
                ranks: dict[str, int] = {}
                in_place(quick, verdicts, times, ranks, workers=workers, limit=limit, say=say)
                Path(file.name).write_bytes(pickle.dumps(([verdicts[m] for m in quick], times, ranks)))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        killed, times, ranks = pickle.loads(Path(file.name).read_bytes())  # noqa: S301
    verdicts = dict(zip(quick, killed, strict=True))
    rest = [m for m in pending if m.functions is None]
    fresh = functools.partial(afresh, times=times, ranks=ranks, limit=limit)
    for mutant, status in say(in_forks(rest, fresh, workers=workers, seconds=5 * limit + 25), len(rest)):
        verdicts[mutant] = status == KILLED
    verdicts |= dict.fromkeys(done, True)
    gaps = report(verdicts, known, console)
    if not names and share == 1 and (stale := set(known) - {m.key for m in verdicts}):
        console.print(f"listed, but no such mutant: {sorted(stale)}", markup=False)
    if page:
        write_page(verdicts, known)
    if gaps:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main()
