"""What a run says of its accelerator: what it is, and how exactly it computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnprof.model import Json
from rnnprof.unwarned import unwarned

PROPERTIES = {
    "name": ("name", 1),
    "multiprocessors": ("multi_processor_count", 1),
    # CUDA gives kilohertz (cudaDeviceProp::clockRate, ::memoryClockRate).
    "clock_hz": ("clock_rate", 1000),
    "memory_clock_hz": ("memory_clock_rate", 1000),
    "memory_bus_bits": ("memory_bus_width", 1),
    "memory_bytes": ("total_memory", 1),
    "l2_bytes": ("L2_cache_size", 1),
}
"""What is kept of `torch.cuda.get_device_properties`: torch's name for it, and its unit in ours."""


def facts(torch: Any) -> Json:
    """What is known of the accelerator that the program has used.

    Args:
        torch: the module, maybe half imported.

    Returns:
        A dict of plain JSON: ``device``, the name or ``cpu``; on CUDA ``device_properties``, ``cuda``,
        ``cudnn``, ``devices_in_use``; how exactly it computes: ``matmul_precision``, ``matmul_tf32``,
        ``cudnn_tf32``, ``cudnn_benchmark``, ``cudnn_enabled``. What cannot be found out is absent.
    """
    initialized = _ask(lambda: torch.cuda.is_initialized())
    found: Json = {}
    if initialized:
        found = {
            "device": _ask(lambda: torch.cuda.get_device_name(_index(torch))),
            "device_properties": _ask(lambda: _properties(torch, _index(torch))),
            "devices_in_use": _ask(lambda: len(_in_use(torch))),
            "cuda": _ask(lambda: str(torch.version.cuda or torch.version.hip)),
            "cudnn": _ask(lambda: torch.backends.cudnn.version()),
            "matmul_tf32": _exact(torch, lambda: torch.backends.cuda.matmul),
            "cudnn_tf32": _exact(torch, lambda: torch.backends.cudnn.rnn, lambda: torch.backends.cudnn),
            "cudnn_benchmark": _ask(lambda: bool(torch.backends.cudnn.benchmark)),
            "cudnn_enabled": _ask(lambda: bool(torch.backends.cudnn.enabled)),
        }
    elif initialized is not None:
        found["device"] = _ask(lambda: _other(torch)) or "cpu"
    if found.get("device") not in (None, "cpu"):
        found["matmul_precision"] = _ask(lambda: str(torch.get_float32_matmul_precision()))
    return {key: value for key, value in found.items() if value not in (None, "", {})}


def _ask(question: Callable[..., Any], *about: Any) -> Any:
    """The answer, or None where there is none; torch warns of settings that were made the older way."""
    try:
        with unwarned():
            return question(*about)
    except Exception:
        return None


def _in_use(torch: Any) -> list[int]:
    """The devices on which this process has a context; where there are several, those with memory."""
    has_context = torch._C._cuda_hasPrimaryContext
    found = [index for index in range(torch.cuda.device_count()) if has_context(index)]
    if len(found) < 2:
        return found
    return _ask(lambda: [index for index in found if torch.cuda.memory_reserved(index) > 0]) or found


def _index(torch: Any) -> int:
    """The current device, unless another one is the only one in use."""
    current = int(torch.cuda.current_device())
    found = _ask(lambda: _in_use(torch)) or [current]
    return current if current in found else found[0]


def _properties(torch: Any, index: int) -> Json:
    properties = torch.cuda.get_device_properties(index)
    found: Json = {"index": index}
    for ours, (name, unit) in PROPERTIES.items():
        value = _ask(getattr, properties, name)
        if isinstance(value, (int, str)) and value:
            found[ours] = value * unit if isinstance(value, int) else value
    capability = _ask(lambda: f"{properties.major}.{properties.minor}")
    return {**found, "capability": capability} if capability else found


def _exact(torch: Any, *settings: Callable[[], Any]) -> bool | None:
    """Whether TensorFloat-32 may stand in for float32.

    From torch 2.9 on ``fp32_precision`` says so, and asking the older ``allow_tf32`` warns, or raises
    where both ways of setting it were used (``Context::allowTF32CuBLAS`` in aten/src/ATen/Context.cpp).
    """
    for setting in settings:
        precision = _ask(lambda which: which().fp32_precision, setting)
        if isinstance(precision, str):
            return precision == "tf32"
    for setting in settings:
        allowed = _ask(lambda which: which().allow_tf32, setting)
        if isinstance(allowed, bool):
            return allowed
    return None


def _other(torch: Any) -> str:
    """The name of an accelerator other than CUDA that is in use, or nothing."""
    if _ask(lambda: torch.xpu.is_initialized()):
        return str(_ask(lambda: torch.xpu.get_device_name()) or "xpu")
    return "mps" if _ask(lambda: torch.mps.current_allocated_memory() > 0) else ""
