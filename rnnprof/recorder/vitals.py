"""The process around the steps, looked at from the end of the warmup on: see `rnnprof.vitals`.

Nothing here is in a step, or raises: what cannot be found out is not there.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from rnnprof.recorder.memory_course import Courses
from rnnprof.recorder.pauses import Collecting
from rnnprof.recorder.queueing import Queueing
from rnnprof.vitals import Compiled, Failure, Vitals


class VitalSigns:
    """What a recorder knows of the process; made with it, and begun by its training."""

    def __init__(self) -> None:
        self._begun = self._over = False
        self._collecting = Collecting()
        self._courses: Courses | None = None
        self._queueing: Queueing | None = None
        self._compiled: int | None = None
        self._failure: Failure | None = None
        self._found: Vitals | None = None

    def dealt(self, lane: Any, ahead: int, warmup: int) -> None:
        """Steps of the training have been given their kinds, and are about to begin.

        Args:
            lane: the state of the lane.
            ahead: how many steps.
            warmup: number of first steps that are left out.
        """
        if self._over or lane.dealt - ahead < warmup:
            return
        try:
            if not self._begun:
                self._begin(lane)
            self._collecting.meet(lane.roots)
            if self._courses is not None:
                self._courses.look(lane.dealt - ahead - lane.dropped)
        except Exception:
            # What breaks once is not tried again and again.
            self._courses = None

    def _begin(self, lane: Any) -> None:
        self._begun = True
        self._compiled = compiled_graphs()
        self._queueing = Queueing()
        self._courses = Courses()
        self._collecting.start(lane)

    def failed(self, error: BaseException | None) -> None:
        """Take note of the exception that ends the profile; nothing of it is kept but words."""
        if self._over or not isinstance(error, Exception):
            # Ctrl-C and `sys.exit` are no failures.
            return
        with suppress(Exception):
            from rnnprof.recorder.failure import failure

            self._failure = failure(error)

    def found(self) -> Vitals | None:
        """What has been seen so far; None where there was nothing to look at."""
        if not self._over:
            with suppress(Exception):
                self._found = self._look()
        return self._found

    def _look(self) -> Vitals | None:
        if not self._begun:
            return None if self._failure is None else Vitals(failure=self._failure)
        return Vitals(
            pauses=self._collecting.found(),
            memory=() if self._courses is None else self._courses.found(),
            crowding=None if self._queueing is None else self._queueing.found(),
            failure=self._failure,
            compiled=self._compilations(),
        )

    def _compilations(self) -> Compiled | None:
        graphs = compiled_graphs()
        if not graphs and not self._compiled:
            return None
        before = self._compiled or 0
        # The program may have set torch's counters back.
        return Compiled(before, max((graphs or 0) - before, 0))

    def end(self) -> None:
        """Look for the last time, and leave everything as it was; a second call does nothing."""
        self.found()
        self._leave()

    def disown(self) -> None:
        """In a forked child: leave everything as it was."""
        self._leave()

    def _leave(self) -> None:
        self._over = True
        with suppress(Exception):
            self._collecting.stop()


def compiled_graphs() -> int | None:
    """Graphs that `torch.compile` has made in this process; None where it was not loaded."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    try:
        counted: Any = dynamo.counters  # type: ignore[union-attr]
        # It makes what is asked for and is not there.
        return int(counted["stats"]["unique_graphs"]) if "stats" in counted else 0
    except Exception:
        return None
