"""Updates, clipping and filling that call an operator for each single parameter or gradient."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from types import CodeType, FrameType, MethodType
from typing import Any

from rnnprof.anatomy import OneByOne
from rnnprof.captures import Path
from rnnprof.network import MOST_ROWS, Line
from rnnprof.traces.probe.ground import Ground
from rnnprof.traces.probe.passes import Pass
from rnnprof.traces.probe.weights import Found, Weights

_ADDING = ("add_", "sub_", "addcmul_", "addcdiv_", "lerp_", "copy_", "__iadd__", "__isub__")
_SCALING = ("mul_", "div_", "clamp_", "__imul__", "__itruediv__")
METHODS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(_ADDING, ("update", "update")),
    **dict.fromkeys(_SCALING, ("update", "clip")),
    **dict.fromkeys(("zero_", "fill_"), ("update", "zero")),
    "norm": ("", "clip"),
}
"""What a method of a tensor does to a parameter, and to a gradient, as `OneByOne.what` says it.

Functions of the module torch, such as ``torch.norm``, are not looked at: torch and programs keep them
in tables. Who measures gradients with them scales them with one of these."""
WRITTEN = {"__iadd__": "+=", "__isub__": "-=", "__imul__": "*=", "__itruediv__": "/="}
ALL_AT_ONCE = "_foreach_zero_"
"""Fills all gradients in one call."""
MOST_RENEWALS = 3
"""How often a line of code that changes an unknown tensor makes us look for new gradients."""
MOST_LINES = 64
"""Lines of code that may do so."""


class _Row:
    """All that is known of one place."""

    def __init__(self, device: str, library: bool) -> None:
        self.device, self.library = device, library
        self.calls: Counter[str] = Counter()
        self.elements: dict[int, int] = {}

    def add(self, found: Found) -> None:
        self.elements[found.index] = found.elements


class OneByOneLook:
    """Looks for `Anatomy.one_by_one`."""

    fields = ("one_by_one",)

    def __init__(self) -> None:
        self._rows: dict[tuple[Path, str, Line], _Row] = {}
        self._renewals: Counter[tuple[CodeType, int]] = Counter()

    def start(self, ground: Ground) -> None:
        """The probed step is about to begin."""
        torch = ground.torch
        self._ground, self._weights = ground, Weights(torch)
        self._kinds = (torch.Tensor, torch.nn.Parameter)
        self._optimizers = os.path.join(os.path.dirname(os.path.abspath(torch.__file__)), "optim", "")
        for name in METHODS:
            ground.standins.glance(torch.Tensor, name, MethodType(_asked(name), self))
        ground.standins.around(torch, ALL_AT_ONCE, before=self._filled)
        ground.passes.seen.append(self._passed)

    def stop(self) -> None:
        """The step is over."""

    def found(self) -> Mapping[str, Any]:
        """The places with the most calls."""
        rows = [
            OneByOne(
                path=path,
                what=what,
                call=row.calls.most_common(1)[0][0],
                calls=row.calls.total(),
                tensors=len(row.elements),
                elements=sum(row.elements.values()),
                device=row.device,
                library=row.library,
                line=line,
            )
            for (path, what, line), row in self._rows.items()
        ]
        rows.sort(key=lambda row: (-row.calls, row.path, row.what, row.call))
        return {"one_by_one": tuple(rows[:MOST_ROWS])}

    def called(self, name: str, tensor: Any, frame: FrameType) -> None:
        """A method of `METHODS` is about to be called.

        Args:
            name: its name.
            tensor: what it was asked of; None for the class.
            frame: what asked.
        """
        # What has a graph behind it is neither parameter nor gradient; optimizers have rows of their own.
        if type(tensor) not in self._kinds or (tensor.requires_grad and not tensor.is_leaf):
            return
        if self._in_optimizer(frame):
            return
        found = self._find(tensor, frame)
        if found is not None and (what := METHODS[name][found.gradient]):
            text = f"Tensor {WRITTEN[name]}" if name in WRITTEN else f"Tensor.{name}"
            self._add(what, text, [found], frame)

    def _passed(self, one: Pass) -> None:
        for weight in one.leaves:
            self._weights.reach(weight)

    def _filled(self, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> None:
        self._weights.search()
        self._weights.renew()
        each = [self._weights.find(tensor) for tensor in (args[0] if args else kwargs.get("self", ()))]
        found = [one for one in each if one is not None and one.gradient]
        if found:
            self._add("zero", f"torch.{ALL_AT_ONCE}", found, frame)

    def _in_optimizer(self, frame: FrameType) -> bool:
        code = frame.f_code
        return code.co_filename.startswith(self._optimizers) and code.co_name != "zero_grad"

    def _find(self, tensor: Any, frame: FrameType) -> Found | None:
        found = self._weights.find(tensor)
        place = frame.f_code, frame.f_lineno or 0
        if found is None and self._renewals[place] < MOST_RENEWALS and len(self._renewals) <= MOST_LINES:
            self._renewals[place] += 1
            self._weights.renew()
            found = self._weights.find(tensor)
            if found is None and self._weights.search():
                found = self._weights.find(tensor)
        return found

    def _add(self, what: str, text: str, found: list[Found], frame: FrameType) -> None:
        line, spot = self._ground.line(frame), self._ground.places.spot(frame)
        if line is None or spot is None:
            return
        row = self._rows.setdefault(
            (self._ground.path(), what, line), _Row(found[0].device, bool(spot.module))
        )
        row.calls[text] += 1
        for one in found:
            row.add(one)


def _asked(name: str) -> Callable[[OneByOneLook, Any, FrameType], None]:
    return lambda look, tensor, frame: look.called(name, tensor, frame)
