"""``lrp-ref demo``: a first explanation, with a network and a picture that come with the package."""

from __future__ import annotations

from importlib import resources

import click
from click.core import ParameterSource

from .explain import explain

DATA = resources.files("lrp_ref") / "data"
MODEL, PICTURE = "digits_cnn.npz", "demo_digit.png"

WHAT_TO_LOOK_AT = """
What to look at
  the classes   The network says 4; its second guess is 9.
  the picture   Open {picture}: red pixels speak for 4, blue ones against it, white ones for neither.
                The numbers at the colour bar are relevance, in units of the output that is explained.
  the table     The output is handed back through the network. "to the input" is what arrived at the pixels; the rest
                went to biases or stabilisers, or was dropped. The residual is rounding: next to nothing, or the
                explanation is wrong.
"""

# Each runs as it stands, wherever the package is installed.
NEXT = (
    ("lrp-ref demo --against 9 -o against_nine", "why 4 and not 9, in one picture: that the top is open"),
    ("lrp-ref demo -c epsilon -o epsilon", "the same question by another rule; 'lrp-ref composites' lists them"),
    ("lrp-ref demo --plan --ledger", "which rule every layer gets, and where relevance went in each"),
    ("lrp-ref explain --help", "the same for a model of your own (.onnx: pip install 'lrp-ref[onnx]')"),
)


# No option is declared here, not even -h: unknown short options are taken letter by letter, and would be cut up.
@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("options", metavar="[-o DIR] [OPTIONS OF 'lrp-ref explain']", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def demo(ctx: click.Context, options: tuple[str, ...]) -> None:
    """Explain a handwritten digit with a small network; both come with the package.

    Writes demo_digit.png and demo_digit.npz to DIR (default: the current folder), and says what to look at and what
    to try next. Takes every option of 'lrp-ref explain', such as --target 9.
    """
    if "-h" in options:
        click.echo(ctx.get_help())
        return
    with resources.as_file(DATA) as folder:
        arguments = [str(folder / MODEL), str(folder / PICTURE), "--directory", ".", *options]
        with explain.make_context("demo", arguments, parent=ctx.parent) as inner:
            explain.invoke(inner)
    given = {name for name in inner.params if inner.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if given > {"model", "inputs_", "directory"}:
        return  # another question than the one that the text below is about
    click.echo(WHAT_TO_LOOK_AT.format(picture=inner.params["directory"] / PICTURE))
    click.echo("What to try next")
    width = max(len(command) for command, _ in NEXT)
    for command, shows in NEXT:
        click.echo(f"  {command:{width}}  {shows}")
