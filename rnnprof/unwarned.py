"""Work of rnnprof's own that gives no warnings, and lets the program's be as they are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unwarned() -> Iterator[None]:
    """Show no warnings meanwhile.

    `warnings.catch_warnings` would not do: after it Python forgets which warnings the program has
    seen, and shows them again.
    """
    filters: Any = warnings.filters
    ignored = ("ignore", None, Warning, None, 0)
    filters.insert(0, ignored)
    try:
        yield
    finally:
        filters[:] = [one for one in filters if one is not ignored]
