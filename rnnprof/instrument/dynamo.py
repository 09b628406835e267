"""Keeping out of the way of `torch.compile`.

Dynamo sees a patched function in two ways. Where it traces a call, it follows the attribute
``_torchdynamo_inline`` to the original. Where the patched function itself is the outermost frame of
what is compiled, that frame must be skipped, and what it calls compiled: torch does the same with
its own ``Module.__call__``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def stand_in(function: Function, original: Any = None) -> Function:
    """Let `torch.compile` see through a function.

    Args:
        function: what was put in place of another one; while `compiling`, it must call nothing
            but the original.
        original: what it stands for.

    Returns:
        The same function.
    """
    if original is not None:
        function._torchdynamo_inline = original  # type: ignore[attr-defined]
    code = getattr(function, "__code__", None)
    if code is not None:
        skip(code)
    return function


def skip(code: CodeType) -> None:
    """Let `torch.compile` run frames of this code as they are, and compile what they call.

    Args:
        code: the code; the whole process sees it so from now on.
    """
    dynamo = _eval_frame()
    if hasattr(dynamo, "set_code_exec_strategy"):
        action = dynamo._FrameAction
        dynamo.set_code_exec_strategy(code, dynamo._FrameExecStrategy(action.SKIP, action.DEFAULT))
    elif hasattr(dynamo, "skip_code"):
        # As it was called up to torch 2.5.
        dynamo.skip_code(code)


def compiling() -> Callable[[], Any]:
    """What tells whether code that runs now is compiled first: it returns None if it is not."""
    found = getattr(_eval_frame(), "get_eval_frame_callback", None)
    return found if found is not None else _no


def _eval_frame() -> Any:
    torch = sys.modules.get("torch")
    return getattr(getattr(getattr(torch, "_C", None), "_dynamo", None), "eval_frame", None)


def _no() -> None:
    return None
