"""One call in a process of its own, for its peak memory: ``python -m benchmarks.cell JSON``."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from . import timing


def main() -> None:
    """Build one side, run it once, print {"peak_bytes": …}."""
    cell = json.loads(sys.argv[1])
    timing.set_threads(cell["threads"])
    from . import peers
    from .networks import NETWORKS, parameters, pictures
    from .sides import OURS, make

    if cell["side"] not in OURS:
        peers.set_threads(cell["threads"])
    graph = NETWORKS[cell["network"]](size=cell["size"], width=cell["width"])
    call = make(cell["side"], graph, parameters(graph), pictures(graph, cell["batch"]), cell["composite"])
    _warm_up()
    sys.stdout.write(json.dumps({"peak_bytes": peak(call)}) + "\n")


def _warm_up() -> None:
    """Let the libraries allocate what they keep: thread pools, work space."""
    import numpy as np

    square = np.ones((256, 256), np.float32)
    square @ square
    if "torch" in sys.modules:
        import torch

        image = torch.ones(1, 8, 32, 32, requires_grad=True)
        torch.nn.functional.conv2d(image, torch.ones(8, 8, 3, 3), padding=1).sum().backward()


def peak(call: Callable[[], Any]) -> int:
    """Return the most bytes resident during the call, less those resident before it."""
    before, _ = timing.resident()
    try:
        timing.forget_peak()
        reset = timing.resident()[1] <= before * 1.01 + 2**20
    except OSError:
        reset = False
    if reset:
        call()
        return timing.resident()[1] - before
    return _sampled(call, before)


def _sampled(call: Callable[[], Any], before: int) -> int:
    """The same where the kernel does not reset its mark: a thread looks every millisecond."""
    seen, done = [before], threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(timing.resident()[0])
            time.sleep(0.001)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        call()
    finally:
        done.set()
        thread.join()
    return max(seen) - before


if __name__ == "__main__":
    main()
