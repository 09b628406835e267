"""Our own arithmetic on the program's tensors, unseen by what the program or a profiler watches."""

from __future__ import annotations

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
