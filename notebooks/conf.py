"""The configuration of the course's site; build.py lays the pages out and calls Sphinx."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

from curalab.results import StageResult

project = "curalab"
author = "The curalab developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_generated"]

nb_execution_mode = "off"  # build.py has executed the lessons
nb_mime_priority_overrides = [("*", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, Any] = {}  # they would come from the network
nb_merge_streams = True
nb_render_markdown_format = "myst"  # with tables, such as a data card has
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # changelogs and lessons may skip a level

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say what types are, in words
autodoc_preserve_defaults = True
add_module_names = False
default_role = "literal"  # as in the docstrings
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
html_math_renderer = "mathml"

html_theme = "sphinx_book_theme"
html_title = "curalab"
html_static_path = ["book/static"]
html_css_files = ["book.css"]
html_favicon = "book/static/icon.svg"
html_context = {"default_mode": "auto"}
html_copy_source = True
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "navbar_persistent": [],  # the menu has a search field already
}


def setup(app: Sphinx) -> None:
    """Tell Sphinx what is ours: formulas without MathJax, and figures that need no network."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("autodoc-process-signature", _without_signature)
    app.connect("html-page-context", _with_plotly)
    app.connect("build-finished", _copy_plotly)


def _without_signature(
    app: Sphinx, kind: str, name: str, what: Any, options: Any, signature: str, answer: str
) -> tuple[str, str] | None:
    """Show a result without what it is made from: a stage makes it, and nobody else."""
    return ("", "") if kind == "class" and issubclass(what, StageResult) else None


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f"<div class='math'>{tex2mathml(node.astext(), as_block=True)}</div>")
    raise nodes.SkipNode


def _with_plotly(app: Sphinx, name: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Load plotly's script, which is large, on pages that have a figure and on no other."""
    if 'class="plotly-figure"' in context.get("body", ""):
        app.add_js_file("plotly.min.js", priority=100)


def _copy_plotly(app: Sphinx, failed: Exception | None) -> None:
    import plotly

    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    if not failed and app.builder.format == "html":
        shutil.copy(script, Path(app.outdir) / "_static" / script.name)
