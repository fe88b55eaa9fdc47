"""The site: every page of docs/, the course, and the reference. `make site` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lrp_ref"
author = "The lrp_ref developers"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_design",
    "sphinx_copybutton",
    # Of docs/_ext:
    "accessible",
    "docstrings",
    "formulas",
    "outside",
    "lessons",
    "navigation",
    "reference",
    "shows",
]
exclude_patterns = ["node_modules", "_build", "_ext"]

# Pages read on GitHub as well, so that they keep to its Markdown: ```math, $`…`$ (docs/_ext/outside.py), anchors.
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4

# Outputs are always those of the code beside them, never kept ones. A cell that raises is a warning with the lesson,
# the cell and the error, which -W makes a failure; an error would only say which lesson.
nb_execution_mode = "force"
nb_execution_raise_on_error = False
nb_execution_timeout = 120
nb_execution_show_tb = True
nb_merge_streams = True  # what a cell prints is one block

html_theme = "furo"
html_title = "lrp_ref"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "formulas"
toc_object_entries = False
html_copy_source = False
html_show_sourcelink = False
copybutton_selector = "div.cell_input pre, div.highlight-python pre, div.highlight-sh pre"

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Class attributes", "params_style")]
# A parameter that happens to have the name of two attributes, such as "program", is a link to neither.
suppress_warnings = ["ref.python"]
