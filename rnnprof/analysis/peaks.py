"""What a device can do at most: floating-point operations and bytes per second.

The product of multiprocessors, clock and operations per clock, as the vendor's own datasheets reckon
it, from what the driver says of the device. Real programs stay below: the clock falls under load.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rnnprof.model import Json

TF32 = "tf32"
"""Key of the rate of float32 products that tensor cores round to TF32."""

RATES: Mapping[str, Mapping[str, int]] = {
    "3.5": {"float32": 384, "float64": 128},
    "3.7": {"float32": 384, "float64": 128},
    "5.0": {"float32": 256, "float64": 8},
    "5.2": {"float32": 256, "float64": 8},
    "6.0": {"float32": 128, "float64": 64, "float16": 256},
    "6.1": {"float32": 256, "float64": 8, "int8": 1024},
    "7.0": {"float32": 128, "float64": 64, "float16": 1024, "int8": 512},
    "7.5": {"float32": 128, "float64": 4, "float16": 1024, "int8": 2048},
    "8.0": {"float32": 128, "float64": 128, TF32: 1024, "float16": 2048, "bfloat16": 2048, "int8": 4096},
    "8.6": {"float32": 256, "float64": 4, TF32: 512, "float16": 1024, "bfloat16": 1024, "int8": 2048},
    "8.7": {"float32": 256, "float64": 4, TF32: 1024, "float16": 2048, "bfloat16": 2048, "int8": 4096},
    "8.9": {"float32": 256, "float64": 4, TF32: 512, "float16": 1024, "bfloat16": 1024, "int8": 2048},
    "9.0": {"float32": 256, "float64": 256, TF32: 2048, "float16": 4096, "bfloat16": 4096, "int8": 8192},
    "10.0": {"float32": 256, "float64": 128, TF32: 4096, "float16": 8192, "bfloat16": 8192, "int8": 16384},
    "12.0": {"float32": 256, "float64": 4, TF32: 512, "float16": 1024, "bfloat16": 1024, "int8": 2048},
}
"""Operations per clock and multiprocessor by compute capability, dense, tensor cores included; a
multiplication with an addition is 2. Without tensor cores: table "Throughput of Native Arithmetic
Instructions" of the CUDA C++ Programming Guide. With them: NVIDIA's whitepapers of the architectures
(Volta, Turing, A100, GA102, Orin's technical brief, Ada, Hopper, Blackwell); the tests hold them
against datasheets."""

ACCUMULATED = (TF32, "float16", "bfloat16")
HALVED = re.compile(r"geforce|\bl40$")
"""GeForce cards from Turing on add up these products in float32 at half of the rate (whitepapers of
GA102, Ada and RTX Blackwell, appendix A), and so does the L40, but not the L40S (their datasheets);
torch adds up in float32 unless it is told otherwise."""
WITHOUT_TENSOR_CORES = "geforce gtx 16"
"""Cards of Turing that have units for float16 in their place, twice as fast as for float32."""
OTHER_MAKERS = ("amd", "radeon", "instinct", "intel")
"""Devices whose numbers look like compute capabilities and are none."""
TF32_ALLOWED = ("cudnn_tf32", "matmul_tf32")
SWITCHES = ("high", "medium")


@dataclass(frozen=True)
class Peaks:
    """What a device can do at most.

    Args:
        name: the device, as it calls itself; empty where it does not.
        flops: operations per second by type of number, as torch names it.
        bytes: bytes per second to and from its memory; None where it is not known.
        tf32: whether that of ``float32`` is of products that are rounded to TF32.
        measured: whether they were measured, and not reckoned.
    """

    name: str
    flops: Mapping[str, float]
    bytes: float | None
    tf32: bool = False
    measured: bool = False

    def least_seconds(self, flops: Mapping[str, int]) -> float | None:
        """The least time of some operations, one type after the other.

        Args:
            flops: operations by type of number.

        Returns:
            Seconds; None where there is no operation, or the peak of one is not known.
        """
        some = {dtype: number for dtype, number in flops.items() if number > 0}
        if not some or any(dtype not in self.flops for dtype in some):
            return None
        return sum(number / self.flops[dtype] for dtype, number in some.items())


def peaks(environment: Json, device: str) -> Peaks | None:
    """What the run's device can do at most.

    Args:
        environment: the run's; ``peaks`` holds what was measured, ``device_properties`` what the
            driver says.
        device: ``cpu``, ``cuda`` and the like: what the program computed on.

    Returns:
        Measured peaks, and those of the table where none were measured; None where neither is known.
        `float32` has the higher peak of TF32 where cuDNN or matrix products may round to it: which of
        the two an operation is, its type of number does not tell.
    """
    known = _table(environment, device) if device == "cuda" else None
    measured = environment.get("peaks")
    if not isinstance(measured, dict):
        return known
    flops, rates = {}, measured.get("flops")
    for dtype, number in rates.items() if isinstance(rates, dict) else ():
        if (rate := _positive(number)) is not None:
            flops[str(dtype)] = rate
    speed = _positive(measured.get("bytes"))
    if not flops and speed is None:
        return known
    if known is None:
        processor = _text(environment.get("cpu")) if device == "cpu" else ""
        return Peaks(processor or _text(environment.get("device")), flops, speed, measured=True)
    tf32 = known.tf32 and "float32" not in flops
    return Peaks(known.name, {**known.flops, **flops}, speed or known.bytes, tf32, measured=True)


def _table(environment: Json, device: str) -> Peaks | None:
    """The peaks of a device of NVIDIA's, as far as they are known."""
    about = environment.get("device_properties")
    if not isinstance(about, dict):
        return None
    name = _text(about.get("name"))
    rates = dict(RATES.get(_text(about.get("capability")), {}))
    if any(maker in name.lower().split() for maker in OTHER_MAKERS):
        return None
    if HALVED.search(name.lower()) and "float16" in rates:
        rates |= {dtype: rates[dtype] // 2 for dtype in ACCUMULATED if dtype in rates}
    if WITHOUT_TENSOR_CORES in name.lower() and rates.pop("int8", 0):
        rates["float16"] = 2 * rates["float32"]
    many, clock = _positive(about.get("multiprocessors")), _positive(about.get("clock_hz"))
    flops = {dtype: many * clock * rate for dtype, rate in rates.items()} if many and clock else {}
    rounded = flops.pop(TF32, None)
    # Where there are no units for these types, they are computed as float32.
    for dtype in ("float16", "bfloat16"):
        if "float32" in flops:
            flops.setdefault(dtype, flops["float32"])
    tf32 = rounded is not None and _rounds(environment)
    if tf32 and rounded is not None:
        flops["float32"] = rounded
    memory, width = _positive(about.get("memory_clock_hz")), _positive(about.get("memory_bus_bits"))
    # Both edges of the clock carry data.
    speed = 2 * memory * width / 8 if memory and width else None
    if not flops and speed is None:
        return None
    return Peaks(name, flops, speed, tf32)


def _rounds(environment: Json) -> bool:
    """Whether some float32 products may be rounded to TF32."""
    allowed = any(environment.get(key) is True for key in TF32_ALLOWED)
    return allowed or environment.get("matmul_precision") in SWITCHES


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _positive(value: Any) -> float | None:
    """A number of at least 1 and a size that real devices have; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and 1 <= number < 1e24 else None
