"""Sphinx: Markdown through MyST, no notebook is executed while building."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "tumorsim"
author = "tumorsim contributors"
copyright = "2026, tumorsim contributors"
release = installed("tumorsim")
version = ".".join(release.split(".")[:2])

# _ext/mathml.py shows formulas without a script from elsewhere; _ext/parameters.py writes parameters.md,
# _ext/sweeps.py draws the figures of schedules.md
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml", "parameters", "sweeps"]
exclude_patterns = ["_build", "_ext", "dev"]
html_math_renderer = "mathml"
html_static_path = ["_static"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
napoleon_google_docstring = False
autodoc_typehints = "description"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "tumorsim"
html_show_sphinx = False
