"""Whether a program marks its steps itself: then its own marks are what counts, and nothing is added."""

from __future__ import annotations

import ast

from rnnprof.instrument.reading.project import Project
from rnnprof.instrument.reading.syntax import dotted

LANE = "rnnprof.lane"
MARKS = frozenset({"rnnprof.step", "rnnprof.steps", LANE})
"""Marks beside which no others may stand: two steps, or two lanes of a name, do not nest."""


def marked_by_hand(project: Project) -> str | None:
    """Where a program marks steps or lanes itself.

    Args:
        project: the user's source.

    Returns:
        The first place, as ``main.py:79``, or None.
    """
    found = []
    for source in project.sources.values():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                first, dot, rest = dotted(node.func).partition(".")
                mark = source.imports.get(first, first) + dot + rest
                if mark in MARKS:
                    found.append((mark == LANE, source.path.name, node.lineno))
    return "{1}:{2}".format(*min(found)) if found else None
