"""A breakdown as a table: text for a terminal, markdown for a document, CSV for a spreadsheet."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnprof.renderers.table.as_csv import csv
    from rnnprof.renderers.table.as_markdown import markdown
    from rnnprof.renderers.table.as_text import text

__all__ = ["csv", "markdown", "text"]


def __getattr__(name: str) -> Any:
    # Only the text needs rich, whose import takes longer than writing CSV or markdown.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.as_{name}"), name)
