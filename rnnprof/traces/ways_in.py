"""The ways in which a program begins a profiler of its own, watched so that ours can end before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any
from weakref import WeakSet


class Watch:
    """Puts functions in the place of others, and in the end puts those back.

    Args:
        give_way: ends a profiler of ours; called at each attempt to begin another one.
    """

    def __init__(self, give_way: Callable[[], None]) -> None:
        self._give_way = give_way
        self._undo: list[Callable[[], None]] = []

    def end(self) -> None:
        """Put everything back."""
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        """Put another function in the place of one, until the end."""
        missing = object()
        old = vars(owner).get(name, missing)

        def undo() -> None:
            # What the program has put there since stays.
            if vars(owner).get(name) is new:
                if old is missing:
                    delattr(owner, name)
                else:
                    setattr(owner, name, old)

        setattr(owner, name, new)
        self._undo.append(undo)


class TorchGuard(Watch):
    """Keeps torch's profilers apart, of which only one can be active: ours ends where another begins.

    One that has been prepared and not begun yet (the warmup of `torch.profiler.schedule`) cannot be
    seen, and ours undoes what it has prepared: torch would then crash where that one begins. So it
    is watched until the recording ends, and has it prepared again. All of ours share one guard, since
    each puts back what it found.
    """

    def __init__(self) -> None:
        super().__init__(self._all_give_way)
        self._ways: list[Callable[[], None]] = []
        self._ours = False
        # The program's, prepared after ours began last.
        self._prepared: WeakSet[Any] = WeakSet()

    def add(self, give_way: Callable[[], None]) -> None:
        """Have one more profiler of ours end where the program begins one.

        Args:
            give_way: ends it, where it runs.
        """
        self._ways.append(give_way)

    def _all_give_way(self) -> None:
        for give_way in self._ways:
            give_way()

    def start(self, torch: Any, profiler: Any) -> None:
        """Start a profiler of ours, and watch from now on, on all threads.

        Args:
            torch: the module.
            profiler: a `torch.profiler.profile`.
        """
        self._prepared.clear()
        self._ours = True
        try:
            profiler.start()
        finally:
            self._ours = False
        if not self._undo:
            self._begin(torch.autograd.profiler, sys.modules.get("torch.autograd.profiler_legacy"))

    def _begin(self, profiler: Any, legacy: Any) -> None:
        # emit_nvtx and emit_itt come by the first of these ways.
        for owner, name in (
            (profiler, "_run_on_profiler_start"),
            (getattr(legacy, "profile", None), "__enter__"),
        ):
            begin = None if owner is None else vars(owner).get(name)
            if begin is not None:
                self._replace(owner, name, self._before(begin))
        prepare, start = (vars(profiler.profile).get(name) for name in ("_prepare_trace", "_start_trace"))
        if prepare is not None and start is not None:
            self._replace(profiler.profile, "_prepare_trace", self._preparing(prepare))
            self._replace(profiler.profile, "_start_trace", self._starting(start, prepare))

    def _before(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(begin)
        def begin_other(*args: Any, **kwargs: Any) -> Any:
            if not self._ours:
                self._give_way()
            return begin(*args, **kwargs)

        return begin_other

    def _preparing(self, prepare: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(prepare)
        def prepare_other(other: Any) -> Any:
            if not self._ours:
                self._give_way()
                self._prepared.add(other)
            return prepare(other)

        return prepare_other

    def _starting(self, start: Callable[..., Any], prepare: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(start)
        def start_other(other: Any) -> Any:
            if not self._ours:
                self._give_way()
                if other not in self._prepared:
                    prepare(other)
            return start(other)

        return start_other
