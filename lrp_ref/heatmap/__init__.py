"""Relevance to look at: pictures (Pillow), HTML and coloured text in the terminal.

NumPy arrays in, pictures out. Every colour map has its middle colour exactly at 0, so that a colour tells
the sign.
"""

from lrp_ref.heatmap.colours import colorize, colormaps, resolve_limit, sign_colours
from lrp_ref.heatmap.grids import grid
from lrp_ref.heatmap.output import save, to_data_uri
from lrp_ref.heatmap.pictures import image, panel
from lrp_ref.heatmap.sheets import series_grid
from lrp_ref.heatmap.signals import series
from lrp_ref.heatmap.texts import text_html, text_terminal

__all__ = [
    "colorize",
    "colormaps",
    "grid",
    "image",
    "panel",
    "resolve_limit",
    "save",
    "series",
    "series_grid",
    "sign_colours",
    "text_html",
    "text_terminal",
    "to_data_uri",
]
