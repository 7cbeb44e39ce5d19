"""Sphinx: Markdown through MyST, no notebook is executed while building."""

from importlib.metadata import version as installed

project = "tumorsim"
author = "tumorsim contributors"
copyright = "2026, tumorsim contributors"
release = installed("tumorsim")
version = ".".join(release.split(".")[:2])

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "dev"]
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
napoleon_google_docstring = False
autodoc_typehints = "description"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "tumorsim"
html_show_sphinx = False
