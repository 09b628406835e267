"""From marks to a run: one recorder for each profile, whatever way the marks come in."""

from __future__ import annotations

import datetime
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnprof import environment, runfile
from rnnprof.clocks import Clock
from rnnprof.devices import Device
from rnnprof.model import Json, Lane, Run
from rnnprof.recorder import snapshot
from rnnprof.recorder.events import EventQueue
from rnnprof.recorder.lanes import LaneState, name_of_thread
from rnnprof.recorder.notes import notes
from rnnprof.recorder.spans import SpanLog
from rnnprof.recorder.steps import Root
from rnnprof.recorder.timing import Timing
from rnnprof.recorder.tracks import LaneTrack
from rnnprof.recorder.vitals import VitalSigns
from rnnprof.recorder.watched import Captured, Captures, WatchedRoot
from rnnprof.schedule import Schedule

MAX_TRACKS = 64
FOREVER_S = 1e9


class Recorder:
    """Holds the tracks of all threads, and saves what they recorded.

    Args:
        path: the run file, or None to save nothing.
        clock: ``auto``, ``host``, ``sync``, ``event``, or a clock of the user's own.
        schedule: number of warmup steps and the spacing of control steps.
        save_every_s: time between two saves, in seconds.
        device: the accelerator; None looks for the one that torch uses.
        captures: what else looks into the run; None for nothing.
    """

    def __init__(
        self,
        path: Path | None,
        clock: str | Clock,
        schedule: Schedule,
        save_every_s: float,
        device: Device | None = None,
        captures: Captures | None = None,
    ) -> None:
        self.timing = Timing(clock, device)
        self.vitals = VitalSigns()
        self.path = path
        self.schedule = schedule
        self.captures = captures
        self.log: SpanLog | None = None
        self.limit: int | None = None
        """Training steps after the warmup with which the program is to end, or None."""

        self.once: Callable[[], None] | None = None
        """Called once between two steps, when training has gone on for a while."""

        self.aborted = 0
        self._pid = os.getpid()
        self._save_every = round(min(save_every_s, FOREVER_S) * 1e9)
        self.local = threading.local()
        self._lock = threading.RLock()
        self._retired: tuple[Lane, ...] = ()
        self._created = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self._environment: Json = {}
        self._wall: int | None = None
        self._start = 0
        self.tracks: list[LaneTrack] = []
        self.error: str | None = None
        self.left: list[str] = []

    # ---- time -------------------------------------------------------------------------------

    @property
    def reading(self) -> Callable[[], int] | None:
        """What stages outside steps read the time with; None is the native host clock."""
        return self.timing.reading

    @property
    def queue(self) -> EventQueue | None:
        """The steps that wait for their events; None where no step is timed by events."""
        return self.timing.queue

    def now(self) -> int:
        """The host's reading, in nanoseconds."""
        return self.timing.host.now()

    def settle(self) -> None:
        """At the border of two lanes, let the device finish what the first one queued."""
        self.timing.settle()

    def meet_device(self) -> None:
        """At the first step it is known which device the program uses."""
        self.schedule = self.timing.meet(self.schedule)

    def kinds_for(self, lane: str, thread: bool) -> list[str]:
        """The kinds of the next steps in a lane: only training has warmup and control."""
        if lane == "train":
            return self.schedule.block()
        # The queue of events is the main thread's; the steps of others synchronize.
        main = "sync" if thread and self.queue is not None else self.schedule.main
        return [main] * 16

    def new_root(self, lane: LaneState, kind: str) -> Root:
        """The root for a lane's steps of one kind, timed as that kind is."""
        watcher = None if self.captures is None else self.captures.watcher(kind)
        if watcher is not None:
            host = None if self.timing.native else self.timing.host.now
            return WatchedRoot(lane.track, host, watcher, lane)
        return self.timing.root(lane.track, kind, self.schedule.main, lane.thread)

    # ---- threads ----------------------------------------------------------------------------

    def track(self) -> LaneTrack:
        """The track of the calling thread; made at its first mark."""
        found: LaneTrack | None = getattr(self.local, "track", None)
        if found is None:
            with self._lock:
                found = LaneTrack(self, name_of_thread(), thread=True)
                found.closed = self._wall is not None
                self._retire_dead()
                self.tracks.append(found)
                if self.log is not None:
                    self.log.attach(found, found.lane.name)
            self.local.track = found
        return found

    def _retire_dead(self) -> None:
        if len(self.tracks) < MAX_TRACKS:
            return
        main, *others = self.tracks
        dead = [track for track in others if track.thread is not None and not track.thread.is_alive()]
        self._retired = snapshot.merged([*self._retired, *self._lanes(dead)])
        self.tracks = [main, *(track for track in others if track not in dead)]

    def _lanes(self, tracks: list[LaneTrack]) -> list[Lane]:
        now = self.now()
        return [snapshot.lane(state, track, now) for track in tracks for state in list(track.lanes.values())]

    def remark(self, **facts: Any) -> None:
        """Keep facts with the run, as part of its environment."""
        self._environment.update({key: fact for key, fact in facts.items() if fact is not None})

    # ---- begin, save, end -------------------------------------------------------------------

    def begin(self) -> LaneTrack:
        """Start recording on this thread, and write a first, empty run file."""
        self._environment = environment.collect()
        self._start = self.now()
        track = LaneTrack(self, "setup")
        self.tracks.append(track)
        self.local.track = track
        if self.log is not None:
            self.log.attach(track, "main")
        self.save("running")
        if self.path is not None:
            track.deadline = self.now() + self._save_every
        return track

    def save_now(self, track: LaneTrack) -> None:
        """Save because it is time; a disk that is full now may not be so at the end."""
        began = self.now()
        try:
            self.save("running")
        except Exception as error:  # whatever it is, the program's own work goes on
            self.error = str(error)
        # Saving may take no more than one part in 200 of the run.
        took = self.now() - began
        track.deadline = self.now() + max(self._save_every, 200 * took)

    def save(self, ended: str) -> None:
        """Write the run file, unless this is a forked child."""
        if self.path is not None and os.getpid() == self._pid:
            runfile.save(self.run(ended), self.path)

    def end(self, ended: str) -> list[str]:
        """Stop recording, save, and return the names of what was still open."""
        try:
            self.timing.end()
        finally:
            # Also where Ctrl-C has ended the wait for the device.
            self._close(ended)
        return self.left

    def _close(self, ended: str) -> None:
        left = []
        for track in list(self.tracks):
            if track is self.tracks[0]:
                left = track.close()
            track.closed = True
        if self.log is not None:
            self.log.close()
        self._wall = max(self.now() - self._start, 0)
        self.vitals.end()
        # A profile that an exception ends closes whatever was open; only a quiet end is at fault.
        self.left = left if ended == "finished" else []
        self._environment.update(environment.at_end())
        self.save(ended)

    def disown(self) -> None:
        """In a forked child: record nothing more, and leave the parent's file alone."""
        self.vitals.disown()
        for track in self.tracks:
            track.closed = True

    # ---- the run ----------------------------------------------------------------------------

    def run(self, ended: str = "running") -> Run:
        """What has been recorded so far."""
        wall = max(self.now() - self._start, 0) if self._wall is None and self.tracks else self._wall or 0
        with self._lock:
            lanes = snapshot.merged([*self._lanes(self.tracks), *self._retired])
        captured = self.captures.found() if self.captures else Captured()
        return Run(
            created=self._created,
            ended=ended,
            wall_ns=wall,
            clock=self.timing.asked,
            schedule=dict(self.schedule.as_numbers()),
            lanes=lanes,
            environment=self._environment,
            notes=(*notes(self), *captured.notes),
            rank=int(self._environment.get("rank", 0)),
            world_size=int(self._environment.get("world_size", 1)),
            traces=captured.traces,
            functions=captured.functions,
            probe=captured.probe,
            vitals=self.vitals.found(),
        )
