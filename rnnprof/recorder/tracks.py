"""A thread's track through lanes and steps: what happens at their borders."""

from __future__ import annotations

from typing import Any

from rnnprof.errors import NestingError, UsageError
from rnnprof.marks import Shadow, Stage, Track, chain
from rnnprof.recorder.lanes import THREAD, LaneState, this_thread
from rnnprof.recorder.own import own_time
from rnnprof.recorder.steps import EventRoot, Step

MAX_LANES = 32


class LaneTrack(Track):
    """One thread's track, with its lanes and the steps in them.

    Args:
        recorder: the profile's recorder.
        first: the lane that is open from the beginning.
        thread: whether this is a thread beside the main one.
    """

    def __init__(self, recorder: Any, first: str, thread: bool = False) -> None:
        super().__init__()
        self.recorder = recorder
        self.thread = this_thread()
        self.beside = thread
        # Snapshots are taken on another thread: it must find every step that has ended.
        self.eager = thread
        self.lanes: dict[str, LaneState] = {}
        self._around: list[tuple[LaneState, Any, bool, int, int]] = []
        self._implicit = not thread
        self.lane = self._lane(first)
        self.step = self.lane.step
        self.current = self.lane.root
        self.lane.root.start = recorder.now()

    def here(self) -> LaneTrack:
        """The track of the calling thread."""
        found: LaneTrack = self.recorder.track()
        return found

    def foreign_mark(self, name: str | None) -> None:
        """A mark of a thread that has a step or a lane of its own open; others have nothing to divide."""
        found: LaneTrack | None = getattr(self.recorder.local, "track", None)
        if found is not None and (found._around or found.lane.step.root is not None):
            found.boundary(name)

    def _lane(self, name: str) -> LaneState:
        if not isinstance(name, str) or not name:
            raise UsageError(f"a lane's name is a non-empty string, not {name!r}")
        state = self.lanes.get(name)
        if state is None:
            if len(self.lanes) >= MAX_LANES:
                raise UsageError(f"more than {MAX_LANES} lanes: use stages for the parts of a lane")
            state = self.lanes[name] = LaneState(self, name, self.beside)
        return state

    # ---- steps ------------------------------------------------------------------------------

    def foreign_step(self, tokens: int | None) -> Any:
        """The step of the calling thread's own track."""
        return self.here().open_step(tokens)

    def misplaced_step(self, step: Step) -> None:
        """A step was entered where it cannot be."""
        if step.root is not None:
            raise NestingError(
                "a step was opened while another is open: close the first one (one step is one "
                "iteration of the training loop)"
            )
        raise NestingError("a step belongs to the thread that asked for it: call step() there")

    def deal(self, step: Step) -> None:
        """Choose the kinds of the steps that come now; the first step ends the set-up."""
        self.recorder.meet_device()
        self.polling = self.recorder.queue is not None and not self.beside
        if self._implicit and not self._around and self.lane.name == "setup":
            self._switch("train")
        if self.lane.name == "train" and not self.beside and self.recorder.captures is not None:
            self.recorder.captures.training_begins(self)
        step.deck.extend(self.lane.next_roots())

    def odd_end(self, step: Step, root: Any, failed: bool) -> None:
        """End a step that failed, was paused, left a stage open, or is timed by events."""
        if root is None:
            if failed:
                return
            raise NestingError("a step was closed, but none is open")
        inside = None if self.current is root or self.flat_stage(root) else self.current
        keep = not failed and inside is None and not step.spoiled
        try:
            ns = root.end_step(step.outer, keep)
        except Exception:
            self.current = step.outer
            # The user's exception matters more than a clock that died with it.
            if failed:
                return
            raise
        # The root may have found that a mark could not measure.
        keep = keep and not step.spoiled
        self.lane.dropped += not keep
        if keep and step.tokens is not None:
            root.tokens += step.tokens
            root.token_ns += ns
        if failed:
            self.recorder.aborted += 1
        if step.outer.parent is not None:
            self.enclosed(step.outer, ns)
        # Not the step's end: a watcher may have worked since, and its time is counted already.
        self.between_steps(self.recorder.now())
        if inside is not None and not failed:
            raise NestingError(
                f"the step was closed while stage {inside.name!r} is still open: close the stage "
                "first (a stage must not stay open across a `yield`)"
            )

    def enclosed(self, outer: Any, ns: int) -> None:
        """Note that a step of that length ran inside a stage that was open around it."""
        enclosed = self.lane.enclosed
        enclosed[outer.tally] = enclosed.get(outer.tally, 0) + ns

    def between_steps(self, now: int) -> None:
        """The end of a step is the time for everything that must not be in one."""
        if self.polling:
            self.recorder.queue.poll()
        if now > self.deadline:
            self.overdue(now)

    # ---- lanes ------------------------------------------------------------------------------

    def _switch(self, name: str) -> None:
        """Turn the base lane into another; stages that are open go on in the new one."""
        now = self.recorder.now()
        self._implicit = False
        opened = [stage for stage in chain(self.current) if not stage.flat]
        self.end_spans(now)
        # The step that is about to begin was asked for in the old lane.
        step, self.lane = self.lane.step, self._lane(name)
        self.lane.step = step
        self.current = self.lane.root
        self.lane.root.start = now
        for old in reversed(opened[:-1]):
            new = self.stage(old.name)
            if not isinstance(new, Stage):
                new = Shadow(self, old.name, self.current, self.recorder.reading)
            new.start = now
            self.current = new

    def enter_lane(self, name: str) -> LaneState | None:
        """Pause the open lane, with its step and stages, and enter another."""
        if self.closed:
            return None
        state = self._lane(f"{self.lane.name}: {name}" if self.beside else name)
        if name.startswith(THREAD) and not self.beside:
            raise UsageError(f"lane {name!r}: names that begin with {THREAD!r} are those of threads")
        if state is self.lane or any(state is around[0] for around in self._around):
            raise NestingError(f"lane {name!r} was entered while it is open already")
        steps = [self.lane.step, *(around[0].step for around in self._around)]
        if self.recorder.captures and not self.beside and all(step.root is None for step in steps):
            self.recorder.captures.lane_begins(self)
        self.recorder.settle()
        now = self.recorder.now()
        if isinstance(self.lane.step.root, EventRoot):
            # Events cannot be shortened by the time of the lane inside.
            self.lane.step.spoiled = True
        self._around.append((self.lane, self.current, self.journaling, self.opened, now))
        self.journaling = False
        self.lane = state
        self.step = state.step
        self.current = state.root
        state.root.start = now
        return state

    def leave_lane(self, state: LaneState | None, failed: bool) -> None:
        """Close the open lane and go on where the one around it was paused."""
        if self.closed or state is None:
            return
        if self.lane is not state or not self._around:
            if failed:
                return
            raise NestingError(f"lane {state.name!r} was closed, but it is not the open one")
        opened = self._abandon_step()
        try:
            self.recorder.settle()
            now = self.recorder.now()
        except BaseException:
            self._resume()
            raise
        left = [] if failed else [*opened, *self.left_open()]
        self.end_spans(now)
        self._go_on(now)
        if self.lane.step.root is None and now > self.deadline:
            self.overdue(now)
        if left:
            raise NestingError(f"lane {state.name!r} was closed while {left[0]!r} in it is still open")

    def is_open(self, name: str) -> bool:
        """Whether a lane is open, or paused around the open one."""
        return name == self.lane.name or any(name == around[0].name for around in self._around)

    def _resume(self) -> int:
        """Go on in the lane around; return when it was paused."""
        self.lane, self.current, self.journaling, self.opened, since = self._around.pop()
        self.step = self.lane.step
        return since

    def _go_on(self, now: int) -> None:
        """The same, and take the time of the lane that ended out of what is open in the one around."""
        since = self._resume()
        self.shift(now - since, [*chain(self.current), *self._outside(), self.lane.root])
        if self.log is not None:
            self.log.paused(since, now, lanes=True)

    def _outside(self) -> list[Any]:
        """The open stages around the open step."""
        return list(chain(self.lane.step.outer)) if self.lane.step.root is not None else []

    def shift(self, ns: int, stages: list[Any]) -> None:
        """Take time that belongs elsewhere out of spans that are open."""
        for stage in set(stages):
            stage.start += ns

    def overdue(self, now: int) -> None:
        """Save; the time it takes is rnnprof's own stage, and no other's."""
        with own_time(self, now):
            self.recorder.save_now(self)

    def open_ns(self, state: LaneState, now: int) -> int | None:
        """How long the lane's open visit has lasted, without the lanes inside it; None if shut."""
        if state is self.lane:
            return max(now - state.root.start, 0)
        for lane, *_, paused in self._around:
            if lane is state:
                return max(paused - state.root.start, 0)
        return None

    def close(self) -> list[str]:
        """End all lanes; return the names of what was still open."""
        now = self.recorder.now()
        opened = [*self.left_open(), *self._abandon_step()]
        while True:
            self.end_spans(now)
            if not self._around:
                break
            opened.append(self.lane.name)
            self._go_on(now)
            opened += self._abandon_step()
        self.closed = True
        return opened

    def _abandon_step(self) -> list[str]:
        step = self.lane.step
        if step.root is None:
            return []
        root, step.root = step.root, None
        root.end_step(step.outer, False)
        return ["step"]
