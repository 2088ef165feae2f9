"""Sphinx: sphinx-build -W -b html docs docs/_build."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "pixsed"
author = "The pixsed developers"
copyright = author
release = version = installed("pixsed")
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "command_pages",
    "mathml",
    "offline",
    "output_tables",
]
exclude_patterns = ["_build"]
# `name` in docstrings is a Python object, as in numpydoc.
default_role = "py:obj"
# -- would become a dash, also in the names of options.
smartquotes = False
# Blocks after ``::`` are commands.
highlight_language = "shell"
# Docstrings give types with shapes and units; annotations would repeat them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# The page names the members that it describes.
numpydoc_show_class_members = False

# Pages are complete without a network: no fonts, scripts or styles from elsewhere.
html_theme = "pydata_sphinx_theme"
html_title = f"pixsed {release}"
html_static_path = ["_static"]
html_css_files = ["pixsed.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_nav_level": 1,
    "show_toc_level": 2,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
# These have no section to navigate.
html_sidebars = dict.fromkeys(
    ("index", "installation", "faq", "glossary", "search", "genindex"), []
)
