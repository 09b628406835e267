"""Percentage flow charts of a breakdown: one graph, four syntaxes."""

from __future__ import annotations

from rnnprof.analysis.result import Breakdown
from rnnprof.renderers.flowchart.graph import graph
from rnnprof.renderers.flowchart.svg import svg
from rnnprof.renderers.flowchart.tikz import tikz

SYNTAXES = {"svg": svg, "tikz": tikz}


def render(breakdown: Breakdown, syntax: str) -> str:
    return SYNTAXES[syntax](graph(breakdown))
