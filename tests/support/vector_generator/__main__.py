"""Command line of the generator."""

from __future__ import annotations

from pathlib import Path

import click

from .write import generate


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
def main(directory: Path) -> None:
    """Write the case files and manifest.json of lrp-vectors into DIRECTORY."""
    for name, count in generate(directory).items():
        click.echo(f"{name}: {count} cases")


if __name__ == "__main__":
    main()
