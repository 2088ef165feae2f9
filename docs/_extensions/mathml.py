"""Render math as MathML, by the converter of docutils: browsers show it without scripts or fonts.

Sphinx's own renderers load MathJax from the network, or need LaTeX to build.
"""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

LOG = logging.getLogger(__name__)


def _mathml(node, block):
    try:
        return tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        LOG.warning("math that cannot be rendered: %s", error, location=node)
        return _source(node)


def _source(node):
    """Return the source of the formula, for a page that is built in spite of warnings."""
    return node.astext().replace("&", "&amp;").replace("<", "&lt;")


def inline(self, node):
    """Write a formula in a line of text."""
    self.body.append(_mathml(node, block=False))
    raise nodes.SkipNode


def block(self, node):
    """Write a formula in a paragraph of its own, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if number := node["number"]:
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(_mathml(node, block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
