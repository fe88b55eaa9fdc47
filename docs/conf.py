"""The site: every page of docs/, the course, and the reference. `make site` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lrp_ref"
author = "The lrp_ref developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_design", "sphinx_copybutton"]
html_theme = "furo"
html_title = "lrp_ref"
html_static_path = ["_static"]
exclude_patterns = ["node_modules", "_build", "README.md", "pypi.md"]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
