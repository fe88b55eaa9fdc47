"""``lrp-ref live``: a page on which one draws a digit while a network and its explanation run in the browser."""

from __future__ import annotations

from pathlib import Path

import click

from .options import FILE


@click.command()
@click.argument("model", type=FILE, required=False)
@click.option("-o", "--file", "path", type=FILE, default=Path("live.html"), show_default=True, help="The page.")
@click.option("--runtime", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
              help="The folder 'dist' of the npm package onnxruntime-web.")  # fmt: skip
def live(model: Path | None, path: Path, runtime: Path) -> None:
    """Write a page on which one draws a digit and sees every class explained meanwhile.

    One HTML file, which opens from a folder and asks the network for nothing. MODEL reads pictures of 28x28 grey pixels
    and has a sidecar; without one it is the network of digits that comes with the package.
    """
    from ..pages import live as page

    written = page.write(path, runtime=runtime, model=model)
    click.echo(f"{written}: {written.stat().st_size:,} bytes; open it in a browser")
