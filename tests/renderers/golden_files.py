"""Whole outputs, held against the files in ``golden``."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def same_as_golden(name: str, text: str) -> None:
    """Fail unless a text is what the file of that name holds; ``RNNPROF_UPDATE_GOLDEN=1`` writes it.

    Args:
        name: the file.
        text: what a renderer has written.
    """
    if os.environ.get("RNNPROF_UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")
