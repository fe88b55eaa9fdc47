"""Relevance to look at: pictures (Pillow), drawings (SVG), HTML and coloured text in the terminal.

NumPy arrays in, pictures out. Every colour map has its middle colour exactly at 0, so that a colour tells
the sign.
"""

from .bars import bars
from .colours import colorize, colormaps, resolve_limit, sign_colours
from .comparison import comparison
from .curves import curves
from .grids import grid
from .links import pair_matrix, pairs
from .messages import message_graph
from .output import save, to_data_uri
from .pictures import image, panel
from .points import scatter
from .scores import scores
from .sheets import series_grid
from .signals import series
from .texts import text_html, text_latex, text_page, text_terminal
from .waterfalls import waterfall
from .whereabouts import whereabouts
from .words import text_image

__all__ = [
    "bars",
    "colorize",
    "colormaps",
    "comparison",
    "curves",
    "grid",
    "image",
    "message_graph",
    "pair_matrix",
    "pairs",
    "panel",
    "resolve_limit",
    "save",
    "scatter",
    "scores",
    "series",
    "series_grid",
    "sign_colours",
    "text_html",
    "text_image",
    "text_latex",
    "text_page",
    "text_terminal",
    "to_data_uri",
    "waterfall",
    "whereabouts",
]
