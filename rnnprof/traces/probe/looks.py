"""All that looks at how the probed step is built; each look apart, so that none takes another with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from rnnprof.anatomy import Anatomy
from rnnprof.captures import Path
from rnnprof.traces.labelled import in_one_line
from rnnprof.traces.probe.denormals import DenormalsLook
from rnnprof.traces.probe.filling import PaddingLook
from rnnprof.traces.probe.graph import GraphLook
from rnnprof.traces.probe.ground import Ground, Look, NotSeen
from rnnprof.traces.probe.loaders import LoadersLook
from rnnprof.traces.probe.one_by_one import OneByOneLook
from rnnprof.traces.probe.optimizer_steps import OptimizersLook
from rnnprof.traces.probe.outputs import OutputLook
from rnnprof.traces.probe.passes import Passes, next_node
from rnnprof.traces.probe.places import Places
from rnnprof.traces.probe.recurrent_calls import RecurrentLook
from rnnprof.traces.probe.standins import StandIns
from rnnprof.traces.probe.states import StatesLook
from rnnprof.traces.probe.waits import compiles

LOOKS: tuple[Callable[[], Look], ...] = (
    GraphLook,
    StatesLook,
    RecurrentLook,
    OutputLook,
    OptimizersLook,
    OneByOneLook,
    PaddingLook,
    DenormalsLook,
    LoadersLook,
)
"""What makes each of them, in the order in which they start."""
COMPILED = "the program compiles its functions, and these must not change"


class Looks:
    """Looks at one step from `start` to `stop`. None of its methods raises.

    Args:
        make: makes the looks.
    """

    def __init__(self, make: tuple[Callable[[], Look], ...] = LOOKS) -> None:
        self._looks: list[Look] = []
        self._missing: dict[str, str] = {}
        self._standins: StandIns | None = None
        self._make = make

    def start(self, torch: Any, device: str, path: Callable[[], Path], previous: int | None) -> None:
        """The step is about to begin, on this thread.

        Args:
            torch: the module.
            device: type of the device that the program computes on.
            path: gives the stage that is open now.
            previous: what `next_node` gave when the step before began.
        """
        try:
            self._looks = [make() for make in self._make]
            sequence = next_node(torch)
            if sequence is None or compiles():
                self._miss_all(COMPILED if sequence is not None else "torch does not number its nodes")
                return
            self._standins = standins = StandIns(torch)
            passes = Passes(standins)
            ground = Ground(torch, device, path, Places(torch), sequence, previous, standins, passes)
            passes.start(torch, device)
        except Exception as error:
            self._miss_all(_reason(error))
            self.stop()
            return
        for look in self._looks:
            try:
                with torch._C.DisableTorchFunction():
                    look.start(ground)
            except Exception as error:
                self._miss(look, _reason(error))

    def stop(self) -> None:
        """Put everything back; a second call does nothing."""
        standins, self._standins = self._standins, None
        if standins is None:
            return
        try:
            standins.stop()
        except Exception as error:
            self._miss_all(_reason(error))
        for look in reversed(self._looks):
            try:
                look.stop()
            except Exception as error:
                self._miss(look, _reason(error))
            for told, raised in standins.errors.items():
                if getattr(told, "__self__", None) is look:
                    self._miss(look, _reason(raised))
        if standins.compiled:
            self._miss_all(COMPILED)

    def anatomy(self) -> Anatomy:
        """What they found, after `stop`."""
        known = {one.name for one in fields(Anatomy)}
        found: dict[str, Any] = {}
        for look in self._looks:
            if self._missing.keys() & set(look.fields):
                continue
            try:
                found |= {name: value for name, value in look.found().items() if name in known}
            except Exception as error:
                self._miss(look, _reason(error))
        return Anatomy(**(found | {"missing": tuple(self._missing.items())}))

    def _miss_all(self, why: str) -> None:
        for look in self._looks:
            self._miss(look, why)

    def _miss(self, look: Look, why: str) -> None:
        for name in look.fields:
            self._missing.setdefault(name, why)


def _reason(error: Exception) -> str:
    said = in_one_line(error)
    return said if isinstance(error, NotSeen) else f"{type(error).__name__}: {said}"
