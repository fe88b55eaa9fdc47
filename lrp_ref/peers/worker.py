"""The other side of ``interpreter``: asks one program in this interpreter, task after task.

    PYTHON -m lrp_ref.peers.worker NAME [FOLDER]

Each line on standard input is the path of a folder with a task; the answer is a line of JSON: ``{"done": true}`` once
the recording lies beside the task, or ``{"error": kind, "message": text}``. What the program prints goes to standard
error, so that it cannot be taken for an answer.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from ..errors import LrpError
from .exchange import read_task, write_recording
from .installed import missing, require
from .peer import Peer, find
from .task import NoRule, PeerError

NO_RULE, NOT_THERE, RAISED, OURS = "no rule", "not there", "raised", "refused before"


def answer(peer: Peer, task: Path, folder: Path | None) -> dict[str, object]:
    """Record a task with a program and return the line that says how it went."""
    try:
        require(peer, folder)
        write_recording(peer.load().record(read_task(task), folder), task)
    except NoRule as error:
        return {"error": NO_RULE, "message": str(error)}
    except PeerError as error:
        return {"error": NOT_THERE, "message": str(error)}
    except LrpError as error:  # before the program was asked, or of what it answered
        return {"error": OURS, "message": str(error)}
    except ImportError as error:
        traceback.print_exc()
        return {"error": NOT_THERE, "message": str(missing(peer, str(error)))}
    except Exception as error:
        traceback.print_exc()
        return {"error": RAISED, "message": traceback.format_exception_only(error)[-1].strip()}
    return {"done": True}


def main(words: list[str]) -> int:
    """Answer the tasks on standard input until it ends."""
    peer, folder = find(words[0]), Path(words[1]) if len(words) > 1 else None
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        for line in sys.stdin:
            answers.write(json.dumps(answer(peer, Path(line.rstrip("\n")), folder)) + "\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
