"""Where the host waits for the device in one step, or would wait if there were one.

On CUDA the truth is what torch's debug mode reports; on other accelerators, and on a CPU, it is the
rules of `ways_to_wait`, on a CPU along with what `unnamed` finds in the trace. Only the thread that runs
the step is looked at here: what others wait for does not hold it up.
"""

from __future__ import annotations

import contextlib
import sys
import weakref
from _thread import get_ident
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

from rnnprof.probes import MOST_WAITS, Path, Wait
from rnnprof.traces.probe import standins
from rnnprof.traces.probe.intercept import COMPILED, Intercept
from rnnprof.traces.probe.places import Places, Spot, outside, source
from rnnprof.traces.probe.sync_warnings import Warned
from rnnprof.traces.probe.ways_to_wait import LIBRARY, OTHER, Call, Home

READS = ("item", "number", "tolist", "numpy", "print", "condition")
"""Ways that read a tensor; after `tensor.cpu()` the first one on the result does not wait."""


class Waits:
    """Finds them from `start` to `stop`. None of its methods raises.

    Args:
        torch: the module.
        device: type of the device that the program computes on, such as ``cuda``; ``cpu`` for none.
        path: gives the stage that is open now.
        now: reads the host's clock, in ns.
    """

    def __init__(self, torch: Any, device: str, path: Callable[[], Path], now: Callable[[], int]) -> None:
        self.failure: str | None = None
        """What could not be looked at, and why; None if all went well."""

        self._torch, self._device, self._path = torch, device, path
        self._rows: dict[tuple[Path, str, str, Spot], list[int | None]] = {}
        # What `cpu()` has returned and nobody has read yet; on a CPU it is the same tensor.
        self._copied: dict[int, weakref.ref[Any]] = {}
        self._intercept = Intercept(Home(torch, device, self._lives), self._counted, now)
        self._warned = Warned(standins.__file__, standins.__name__, outside, self._caught)
        self._thread = 0
        self._debugging = False
        self._places: Places | None = None

    def start(self) -> None:
        """Begin to look: this thread's step is about to begin."""
        try:
            self._thread = get_ident()
            self._places = Places(self._torch)
            cuda = self._torch.cuda
            # A program that uses the mode itself keeps it, and the rules have to do.
            self._debugging = self._device == "cuda" and not cuda.get_sync_debug_mode()
            self._warned.start(self._debugging)
            if self._debugging:
                cuda.set_sync_debug_mode("warn")
            if compiles():
                self.failure = COMPILED
                return
            self._intercept.start()
        except Exception as error:
            self.stop()
            self.failure = f"waits for the device were not looked at: {type(error).__name__}: {error}"

    def stop(self) -> None:
        """Put everything back as it was; a second call does nothing."""
        self._thread = 0
        with contextlib.suppress(Exception):
            self._intercept.stop()
        self.failure = self.failure or self._intercept.incomplete or None
        if self._debugging:
            self._debugging = False
            with contextlib.suppress(Exception):
                # The program may have set it to something else meanwhile.
                if self._torch.cuda.get_sync_debug_mode() == 1:
                    self._torch.cuda.set_sync_debug_mode(0)
        with contextlib.suppress(Exception):
            self._warned.stop()
        self._copied.clear()

    def found(self) -> tuple[tuple[Wait, ...], int]:
        """What was found.

        Returns:
            The places, the longest waits and then the most frequent ones first, and the number of
            places beyond `MOST_WAITS`. The time of a wait of the way ``other`` is not known.
        """
        rows = [
            Wait(
                path=path,
                way=way,
                call=call,
                file=spot.file,
                line=spot.line,
                function=spot.function,
                source=source(spot.file, spot.line),
                library=spot.library,
                count=count or 0,
                waited_ns=ns,
            )
            for (path, way, call, spot), (count, ns) in self._rows.items()
        ]
        return ranked(rows)

    # ---- what happens in the step -----------------------------------------------------------

    def _lives(self, tensor: Any) -> bool:
        return bool(tensor.device.type == self._device)

    def _caught(self, frame: FrameType) -> None:
        """CUDA reports a call that waited, which has just returned to this frame."""
        if get_ident() != self._thread or not self._debugging:
            return
        if self._intercept.inside:
            self._intercept.heard = True
        elif self._places is not None and (spot := self._places.spot(outside(frame))) is not None:
            way, text = _by_library(spot, OTHER, spot.caller if spot.library else "another call")
            self._add(way, text, spot, None)

    def _counted(self, call: Call, way: str, tensor: Any, result: Any, frame: FrameType, ns: int) -> None:
        if self._debugging and not self._intercept.heard and not call.explicit:
            return
        if self._places is None or (spot := self._places.spot(frame)) is None:
            return
        text = call.text
        if self._device == "cpu":
            if self._places.host_made(frame, tensor) or not _would_wait(call, spot):
                return
            if way == "cpu":
                self._copied[id(result)] = weakref.ref(result)
            elif way in READS and (copied := self._copied.pop(id(tensor), None)) and copied() is tensor:
                return
        way, text = _by_library(spot, way, text)
        self._add(way, text, spot, None if self._device == "cpu" else ns)

    def _add(self, way: str, call: str, spot: Spot, ns: int | None) -> None:
        row = self._rows.setdefault((self._path(), way, call, spot), [0, None])
        row[0] = (row[0] or 0) + 1
        if ns is not None:
            row[1] = (row[1] or 0) + ns


def ranked(rows: Iterable[Wait]) -> tuple[tuple[Wait, ...], int]:
    """Put the longest waits, and then the most frequent ones, first.

    Args:
        rows: places, in any order.

    Returns:
        At most `MOST_WAITS` of them, and the number of those beyond.
    """
    found = sorted(
        rows, key=lambda row: (-(row.waited_ns or 0), -row.count, row.path, row.file, row.line, row.call)
    )
    return tuple(found[:MOST_WAITS]), max(len(found) - MOST_WAITS, 0)


def _by_library(spot: Spot, way: str, text: str) -> tuple[str, str]:
    """The way and the words of a call that torch's own code made for the program, or those given."""
    for file, function, key, words in LIBRARY:
        if spot.module.startswith(file) and function in ("", spot.caller):
            way, text = key, words
    return way, text


def _would_wait(call: Call, spot: Spot) -> bool:
    """Whether a copy on a CPU would be one to or from a device, by the program's own line.

    `x.to("cpu")` says where to; `x.to(device)` does not tell where from, so it is left out.
    """
    if call.name != "to":
        return True
    named = any(name in source(spot.file, spot.line) for name in ('"cpu"', "'cpu'"))
    return named and not spot.library


def compiles() -> bool:
    """Whether the program has asked for anything to be compiled."""
    frames = sys.modules.get("torch._dynamo.eval_frame")
    # What must not be compiled, such as torch's optimizers, stands there with None.
    return any(map(callable, getattr(frames, "cached_backends", {}).values()))
