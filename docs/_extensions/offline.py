"""Warn of pages that load scripts, styles, fonts or pictures from the network."""

import re
from pathlib import Path

from sphinx.util import logging

LOG = logging.getLogger(__name__)
_LOADED = re.compile(
    r"<(?:script|img|source|iframe)[^>]+src=[\"']?(?:https?:)?//"
    r"|<link[^>]+rel=[\"']?(?:stylesheet|preload|preconnect)[^>]+href=[\"']?(?:https?:)?//"
    r"|@import\s+(?:url\()?[\"']?(?:https?:)?//|url\([\"']?(?:https?:)?//"
)


def check_pages(app, error):
    """Look for what is loaded from the network in every page and style that was written."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    for path in sorted([*folder.rglob("*.html"), *folder.rglob("*.css")]):
        if found := _LOADED.search(path.read_text(errors="replace")):
            LOG.warning("%s loads from the network: %s", path.relative_to(folder), found[0])


def setup(app):
    """Check the pages when they are written."""
    app.connect("build-finished", check_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
