"""The command line ``lrp-ref``, one command a file: demo, explain, explain-set, attribute, compare, evaluate, pair,
check, crosscheck, diff, show, rules, composites, methods, measures, formula, convert, export, export-set, live,
dissect, spray, relmax, gallery, certify, verify, vectors.

Exit status: 0 holds, 1 a check fails, 2 unusable input with one line on stderr that says why.
"""

from __future__ import annotations

import errno
import sys
from typing import Any

import click
import numpy as np

from .. import __version__
from ..errors import LrpError
from . import (
    attribute,
    certify,
    check,
    compare,
    convert,
    crosscheck,
    demo,
    diff,
    dissect,
    evaluate,
    explain,
    explain_set,
    export,
    export_set,
    formula,
    gallery,
    live,
    pair,
    relmax,
    show,
    spray,
    vectors,
)

UNUSABLE = 2
INTERRUPTED = 130


class OneLineErrors(click.Group):
    """A group of commands whose errors are one line on stderr, with exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of files, models and parameters become one line."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a terminal without ε must not end the program
        try:
            with np.errstate(all="ignore"):  # every node is checked for finite values, which names the node
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if error.errno == errno.EPIPE or isinstance(error, LrpError):
                raise
            where = f"{error.filename}: " if error.filename else ""
            self._end(ctx, f"{where}{error.strerror or error}")
        except MemoryError as error:
            self._end(ctx, f"not enough memory: {error}")
        except LrpError as error:
            self._end(ctx, str(error))

    @staticmethod
    def _end(ctx: click.Context, reason: str) -> None:
        click.echo(f"lrp-ref: error: {' '.join(reason.split())}", err=True)
        ctx.exit(UNUSABLE)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lrp-ref")
def main() -> None:
    """Explain what trained networks predict, by Layer-wise Relevance Propagation.

    Exit status: 0 holds, 1 a check fails, 2 unusable input (one line on stderr says why).
    """


for _command in (
    demo.demo, explain.explain, explain_set.explain_set, attribute.attribute, compare.compare, evaluate.evaluate,
    check.check, crosscheck.crosscheck, diff.diff, export.export, export_set.export_set, live.live, dissect.dissect,
    spray.spray, relmax.relmax, gallery.gallery, show.show, show.list_rules, show.list_composites, show.list_methods,
    show.list_measures, formula.formula,
    pair.pair, convert.convert, vectors.vectors, certify.certify, certify.verify_file,
):  # fmt: skip
    main.add_command(_command)
