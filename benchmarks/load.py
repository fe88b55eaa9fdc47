"""What other processes do to this machine while something is measured (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path

STAT = Path("/proc/stat")
QUIET = 0.2  # cores; below this the others do not count


def used() -> tuple[float, float, float]:
    """Return (wall, all processors' busy, this process tree's) seconds; busy includes what a host took away."""
    user, nice, system, _, _, irq, softirq, steal = map(int, STAT.read_text().split("\n", 1)[0].split()[1:9])
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), busy, sum(os.times()[:4])


class Watch:
    """Cores that others used, on average, since the watch was made; 0 where the system does not say."""

    def __init__(self) -> None:
        self.begin = used() if STAT.exists() else None

    def others(self) -> float:
        if self.begin is None:
            return 0.0
        wall, busy, own = (now - before for now, before in zip(used(), self.begin, strict=True))
        return max(0.0, (busy - own) / wall) if wall > 0.05 else 0.0  # the counters have a grain of 0.01 s


class Patience:
    """Seconds that may be spent on waiting for the others to finish."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @property
    def left(self) -> bool:
        return self.seconds > 0 and STAT.exists()

    def wait(self) -> None:
        """Return when half a second passed in which the others were quiet, or when patience is spent."""
        while self.left:
            watch, begin = Watch(), time.perf_counter()
            time.sleep(0.5)
            if watch.others() < QUIET:
                return
            self.seconds -= time.perf_counter() - begin
