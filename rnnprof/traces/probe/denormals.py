"""How many numbers are denormal, which a CPU computes slowly with."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rnnprof.anatomy import Denormals
from rnnprof.traces.probe.ground import Ground, NotSeen
from rnnprof.traces.probe.passes import Pass
from rnnprof.traces.probe.quietly import quietly

MOST_NUMBERS = 1_000_000
"""Numbers of gradients, and of parameters, that are looked at."""
PIECE = 1 << 15
"""So many at once that torch starts no threads for them (``at::internal::GRAIN_SIZE``)."""
BITS = {"float32": ("int32", 23, 31), "float64": ("int64", 52, 63), "bfloat16": ("int16", 7, 15)}
"""Of a type of number: integers of its size, bits of its fraction, bits without the sign (IEEE 754).

Computing with float16 converts it to float32, where its denormals are none."""


class DenormalsLook:
    """Looks for `Anatomy.denormals` when the step is over, on a CPU."""

    fields = ("denormals",)

    def __init__(self) -> None:
        self._parameters: dict[int, weakref.ref[Any]] = {}

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        self._ground = ground
        if ground.device == "cpu":
            ground.passes.seen.append(self._passed)

    def stop(self) -> None:
        """The step is over."""

    def found(self) -> Mapping[str, Any]:
        """The parameters that backward reached, and their gradients.

        Raises:
            NotSeen: there are none on the CPU.
        """
        torch = self._ground.torch
        if self._ground.device != "cpu":
            return {}
        with quietly(torch):
            here = [found for one in self._parameters.values() if (found := one()) is not None]
            gradients = [one.grad for one in here if one.grad is not None]
            rows = [*_row(torch, "gradients", gradients), *_row(torch, "parameters", here)]
        if not rows:
            raise NotSeen("backward reached no parameters on the CPU")
        return {"denormals": tuple(rows)}

    def _passed(self, one: Pass) -> None:
        self._parameters.update((id(tensor), weakref.ref(tensor)) for tensor in one.leaves)


def flushes() -> bool:
    """Whether the CPU takes denormal numbers for zero in this thread (``torch.set_flush_denormal``)."""
    half = [0.5]
    return sys.float_info.min * half[0] == 0


def _row(torch: Any, place: str, tensors: Iterable[Any]) -> Iterator[Denormals]:
    # One of another layout has no single piece of memory, and one of a type that is not in the table no bits.
    usable = [
        one
        for one in tensors
        if one.device.type == "cpu" and one.layout is torch.strided and one.is_contiguous() and _bits(one)
    ]
    denormal = total = 0
    for number, one in enumerate(sorted(usable, key=lambda one: int(one.numel()))):
        # What small ones leave of their part is there for the larger ones.
        numbers = one.detach().view(-1)[: (MOST_NUMBERS - total) // (len(usable) - number)]
        denormal += _count(torch, numbers)
        total += numbers.numel()
    if total:
        yield Denormals(place=place, denormal=denormal, total=total, flushed=flushes())


def _bits(tensor: Any) -> tuple[str, int, int] | None:
    return BITS.get(str(tensor.dtype).removeprefix("torch."))


def _count(torch: Any, numbers: Any) -> int:
    # As integers: a CPU that takes them for zero would not see them as numbers.
    integer, fraction, size = _bits(numbers) or ("", 0, 0)
    count = 0
    for piece in numbers.view(getattr(torch, integer)).split(PIECE):
        magnitude = piece & ((1 << size) - 1)
        count += int(((magnitude > 0) & (magnitude < 1 << fraction)).sum())
    return count
