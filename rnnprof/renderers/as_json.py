"""Results as JSON text."""

from __future__ import annotations

import json
import math
from typing import Any


def text(content: Any) -> str:
    """Write plain data as JSON.

    Args:
        content: dicts, lists, tuples, texts and numbers; a number that JSON does not have becomes null.

    Returns:
        Indented ASCII, with a newline at its end.
    """
    return json.dumps(_finite(content), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
