"""How fast this machine multiplies matrices and copies memory, measured once when a run has ended.

A GPU's peaks are in its data sheet; those of a CPU depend on its cores, its threads and its library.
What is measured is what large, simple operators reach: the most that a program can hope for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter_ns
from typing import Any

from rnnprof.model import Json

BUDGET_NS = 200_000_000
"""Time for each measurement; the fastest of at least three repetitions counts."""
FEWEST = 3
PRODUCT = {"cpu": 1024}
"""Rows and columns of the matrices, by device; others take `LARGE_PRODUCT`."""
LARGE_PRODUCT = 4096
COPIED = {"cpu": 1 << 26}
"""Bytes that are copied: more than a cache holds."""
LARGE_COPY = 1 << 29


def measured_peaks(torch: Any, device: str, dtypes: Iterable[str]) -> Json:
    """Measure the peaks of the device that a program computed on.

    No random number is drawn, and no setting is changed.

    Args:
        torch: the module.
        device: ``cpu``, ``cuda`` and the like.
        dtypes: types of number to multiply matrices of, as torch names them.

    Returns:
        ``flops`` (operations per second, by type of number) and ``bytes`` (bytes per second, reading
        and writing); what cannot be measured is absent.
    """
    wait = _waiting(torch, device)
    flops = {}
    size = PRODUCT.get(device, LARGE_PRODUCT)
    for dtype in dtypes:
        try:
            a = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
            out = torch.empty_like(a)
            with torch.no_grad():
                flops[dtype] = 2 * size**3 * 1e9 / _fastest_ns(partial(torch.mm, a, a, out=out), wait)
        except Exception:  # a type without matrix products, or too little memory
            continue
    found: Json = {"flops": flops} if flops else {}
    count = COPIED.get(device, LARGE_COPY)
    try:
        source = torch.ones(count, dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
        found["bytes"] = 2 * count * 1e9 / _fastest_ns(partial(target.copy_, source), wait)
    except Exception:
        pass
    return found


def _waiting(torch: Any, device: str) -> Callable[[], None]:
    synchronize = getattr(getattr(torch, device, None), "synchronize", None)
    return synchronize if device != "cpu" and synchronize is not None else lambda: None


def _fastest_ns(work: Callable[[], Any], wait: Callable[[], None]) -> int:
    work()
    wait()
    began = perf_counter_ns()
    fastest, repetitions = 1 << 62, 0
    while repetitions < FEWEST or perf_counter_ns() - began < BUDGET_NS:
        start = perf_counter_ns()
        work()
        wait()
        fastest = min(fastest, perf_counter_ns() - start)
        repetitions += 1
    return max(fastest, 1)
