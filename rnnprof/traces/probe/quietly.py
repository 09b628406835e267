"""Our own arithmetic on the program's tensors, unseen by what the program or a profiler watches."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quietly(torch: Any) -> Iterator[None]:
    """Within it no graph is built, no mode of the program's sees an operator, and no trace records it.

    Args:
        torch: the module.
    """
    from torch.utils._python_dispatch import _disable_current_modes

    record = torch._C._autograd._enable_record_function
    with torch.no_grad(), torch._C.DisableTorchFunction(), _disable_current_modes():
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
    # A method's function is behind it.
    codes = {getattr(getattr(one, "__func__", one), "__code__", None) for one in handlers} - {None}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False
