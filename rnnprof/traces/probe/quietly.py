"""Our own arithmetic on the program's tensors, unseen by what the program or a profiler watches."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any


@contextmanager
def quietly(torch: Any) -> Iterator[None]:
    """Within it no graph is built, no mode of the program's sees an operator, and no trace records it.

    Args:
        torch: the module.
    """
    from torch.utils._python_dispatch import _disable_current_modes

    record = torch._C._autograd._enable_record_function
    # The first one first: a mode of ``__torch_function__`` sees the others begin.
    with torch._C.DisableTorchFunction(), torch.no_grad(), _disable_current_modes():
        record(False)
        try:
            yield
        finally:
            record(True)


def by_signal(error: BaseException) -> bool:
    """Whether a signal's handler of the program's has raised it, which by chance ran within our work.

    Args:
        error: what was raised, with its traceback.
    """
    handlers = [signal.getsignal(one) for one in signal.valid_signals()]
    codes = {_code(one) for one in handlers if callable(one)} - {None}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False


def _code(handler: Any) -> CodeType | None:
    """What runs when a handler is called; None where that is no code of Python's."""
    while isinstance(handler, (partial, MethodType)):
        handler = handler.func if isinstance(handler, partial) else handler.__func__
    if not isinstance(handler, FunctionType):
        handler = type(handler).__call__
    return handler.__code__ if isinstance(handler, FunctionType) else None
