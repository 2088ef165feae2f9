"""Sphinx: sphinx-build -W -b html docs docs/_build."""

from importlib.metadata import version as installed

project = "pixsed"
author = "The pixsed developers"
release = version = installed("pixsed")
extensions = ["sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
# Tables of this documentation are wide.
html_theme_options = {"page_width": "1120px", "fixed_sidebar": True}
# `name` in docstrings is a Python object, as in numpydoc.
default_role = "py:obj"
# Docstrings give types with shapes and units; annotations would repeat them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# The page names the members that it describes.
numpydoc_show_class_members = False
