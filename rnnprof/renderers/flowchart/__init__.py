"""Percentage flow charts of a breakdown: one graph, four syntaxes."""

from __future__ import annotations

from collections.abc import Callable

from rnnprof.analysis.compared import Comparison
from rnnprof.analysis.result import Breakdown
from rnnprof.errors import UsageError
from rnnprof.renderers.flowchart.build import graph
from rnnprof.renderers.flowchart.changed import changed
from rnnprof.renderers.flowchart.dot import dot
from rnnprof.renderers.flowchart.graph import Graph
from rnnprof.renderers.flowchart.mermaid import mermaid
from rnnprof.renderers.flowchart.svg import svg
from rnnprof.renderers.flowchart.tikz import tikz

_WRITERS = {"svg": svg, "dot": dot, "tikz": tikz, "mermaid": mermaid}

SYNTAXES = tuple(_WRITERS)
"""What `render` can write."""


def render(breakdown: Breakdown, syntax: str) -> str:
    """Draw where the time of a run went.

    Args:
        breakdown: the only source of every number in the picture.
        syntax: ``svg`` (needs no program), ``dot`` (Graphviz), ``tikz`` (a LaTeX document) or
            ``mermaid`` (for a README).

    Returns:
        The whole file as text that ends with a newline.

    Raises:
        UsageError: for another syntax.
    """
    return _writer(syntax)(graph(breakdown))


def render_difference(after: Breakdown, comparison: Comparison, syntax: str) -> str:
    """Draw what became faster or slower, in the graph of the run after the change.

    Args:
        after: that run.
        comparison: the only source of every number in the step's stages.
        syntax: as for `render`.

    Returns:
        The whole file as text that ends with a newline.

    Raises:
        UsageError: for another syntax.
    """
    return _writer(syntax)(changed(graph(after), comparison))


def _writer(syntax: str) -> Callable[[Graph], str]:
    if syntax not in _WRITERS:
        raise UsageError(f"unknown flow chart syntax {syntax!r}: give one of {', '.join(SYNTAXES)}")
    return _WRITERS[syntax]
