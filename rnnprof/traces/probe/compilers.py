"""What compiles Python code by looking at the functions that it calls, which must be torch's own then."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

COMPILERS = (
    ("torch", "compile"),
    ("torch._dynamo", "optimize"),
    ("torch.export", "export"),
)
"""Module and name."""


def before_compiling(put_back: Callable[[], None]) -> list[Callable[[], None]]:
    """Have something done before the program compiles anything.

    Args:
        put_back: what is done, again and again.

    Returns:
        What undoes it.
    """
    found = ((sys.modules.get(module), name) for module, name in COMPILERS)
    return [_watch(module, name, put_back) for module, name in found if name in vars(module or object)]


def _watch(module: Any, name: str, put_back: Callable[[], None]) -> Callable[[], None]:
    original = vars(module)[name]

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        put_back()
        return original(*args, **kwargs)

    functools.update_wrapper(stand_in, original)
    stand_in._torchdynamo_inline = original  # type: ignore[attr-defined]
    setattr(module, name, stand_in)

    def undo() -> None:
        if vars(module).get(name) is stand_in:
            setattr(module, name, original)

    return undo
