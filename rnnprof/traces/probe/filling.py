"""How much of a batch is filling: indices of a word that stands for none."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from types import FrameType
from typing import Any

from rnnprof.anatomy import Padding
from rnnprof.network import Line
from rnnprof.traces.probe.ground import Ground, NotSeen
from rnnprof.traces.probe.outputs import LOSSES
from rnnprof.traces.probe.passes import Pass
from rnnprof.traces.probe.quietly import quietly
from rnnprof.variables import variables

MOST_CALLS = 8
"""Embeddings and losses in the step that are looked at."""
UNASKED = -100
"""The ``ignore_index`` that a loss has if the program says nothing."""


@dataclass
class _Indices:
    """Indices that were looked up, without the tensor: it is made again of the numbers that it showed."""

    how: str
    line: Line | None
    filling: int
    base: weakref.ref[Any]
    version: int
    dtype: Any
    view: tuple[Any, Any, Any]
    # How many are filling: a number, or a tensor with the number in it; None as long as it is not known.
    padding: Any = None

    @property
    def total(self) -> int:
        return prod(self.view[0])

    def count(self, torch: Any) -> None:
        """Count, unless that is done, or they are gone or have changed."""
        base = self.base()
        if self.padding is not None or base is None:
            return
        if base._version != self.version or base.dtype != self.dtype:
            return
        shown = base.as_strided(*self.view)
        if base.device.type == "cpu":
            # This way torch allocates nothing, and a trace of its memory does not change.
            self.padding = _flat(torch._C.TensorBase.tolist(shown)).count(self.filling)
        elif not _captures(torch, base.device.type):
            self.padding = shown.eq(self.filling).sum()


class PaddingLook:
    """Looks for `Anatomy.padding`.

    It counts before backward, when a function that makes the batch has not let go of it yet, and
    what nothing came back from when the step is over.
    """

    fields = ("padding",)

    def __init__(self) -> None:
        self._seen: list[_Indices] = []
        self._packed = False

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        self._ground = ground
        ground.standins.glance(ground.torch.nn.Module, "_call_impl", self._called)
        for name in LOSSES:
            ground.standins.glance(ground.torch._C._nn, name, self._compared)
        ground.passes.seen.append(self._passed)

    def stop(self) -> None:
        """The step is over."""

    def found(self) -> Mapping[str, Any]:
        """Filling by the way and the line in which it was seen.

        Raises:
            NotSeen: all batches were gone before they could be looked at.
        """
        sums: dict[tuple[str, Line | None], tuple[int, int]] = {}
        self._count()
        known = [(one, int(one.padding)) for one in self._seen if one.padding is not None]
        if self._seen and not known:
            raise NotSeen("the batch was gone before it could be looked at")
        for one, filling in known:
            if filling or one.filling != UNASKED:
                padding, total = sums.get((one.how, one.line), (0, 0))
                sums[one.how, one.line] = padding + filling, total + one.total
        rows = [
            Padding(how=how, padding=padding, total=total, packed=self._packed, line=line)
            for (how, line), (padding, total) in sums.items()
        ]
        return {"padding": tuple(rows)}

    # ---- what happens in the step -----------------------------------------------------------

    def _called(self, module: Any, frame: FrameType) -> None:
        nn = self._ground.torch.nn
        if type(module).__call__ is not nn.Module.__call__:
            return
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            self._note("embedding", _first(frame), module.padding_idx, frame)
        elif isinstance(module, nn.RNNBase):
            self._packed = self._packed or isinstance(_first(frame), nn.utils.rnn.PackedSequence)

    def _compared(self, module: Any, frame: FrameType) -> None:
        values = variables(frame)
        self._note("targets", values.get("target"), values.get("ignore_index"), frame)

    def _passed(self, _: Pass) -> None:
        self._count()

    def _count(self) -> None:
        torch = self._ground.torch
        with quietly(torch):
            for one in self._seen:
                one.count(torch)

    def _note(self, how: str, indices: Any, filling: Any, frame: FrameType) -> None:
        tensor = self._ground.torch.Tensor
        if type(filling) is not int or type(indices) is not tensor or len(self._seen) >= MOST_CALLS:
            return
        # Targets may be shares of classes instead.
        if indices.is_floating_point():
            return
        base = indices if indices._base is None else indices._base
        view = tuple(indices.shape), indices.stride(), indices.storage_offset()
        self._seen.append(
            _Indices(
                how,
                self._ground.line(frame),
                filling,
                weakref.ref(base),
                base._version,
                indices.dtype,
                view,
            )
        )


def _first(frame: FrameType) -> Any:
    """The first argument of a module's call, from the function of torch's behind ``__call__``."""
    if frame.f_code.co_name != "_wrapped_call_impl":
        return None
    values = variables(frame)
    args, kwargs = values.get("args") or (), values.get("kwargs") or {}
    return args[0] if args else kwargs.get("input")


def _flat(numbers: Any) -> list[int]:
    """The numbers of a list of lists, however deep, or of one number."""
    flat: list[Any] = numbers if isinstance(numbers, list) else [numbers]
    while flat and isinstance(flat[0], list):
        flat = [one for some in flat for one in some]
    return flat


def _captures(torch: Any, device: str) -> bool:
    """Whether what is computed now becomes a part of a graph of the program's."""
    return device == "cuda" and bool(torch.cuda.is_current_stream_capturing())
