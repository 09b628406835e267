"""What has been recorded, as the immutable run of `model`; taken while recording goes on."""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rnnprof.marks import Stage, Tally
from rnnprof.model import Lane, Series, Steps, Timeline
from rnnprof.model import Stage as SavedStage
from rnnprof.recorder.lanes import LaneState
from rnnprof.recorder.steps import Root, tallies
from rnnprof.recorder.tracks import LaneTrack

MAX_LANES = 64
MANY_THREADS = "thread (more)"
"""The lane of threads whose names are too many."""


def series(tally: Tally) -> Series:
    """A tally as it is saved; spans that another thread adds meanwhile may be in it in part."""
    bins, total, least, most = tally.bins(), tally.total, tally.least, tally.most
    return Series(
        # Read last: what has been read so far is of no more spans than these.
        count=tally.count,
        total_ns=total,
        min_ns=least,
        max_ns=most,
        bins=tuple(bins),
        counts=tuple(bins.values()),
    )


def stages(
    root: Any, lines: Mapping[Tally, Timeline], enclosed: Mapping[Tally, int]
) -> tuple[SavedStage, ...]:
    """The stages below a root, without those that no span has ended in yet."""
    found = []
    for child in list(root.children.values()):
        if not isinstance(child, Stage):
            continue
        inside = stages(child, lines, enclosed)
        if child.tally.count or inside:
            found.append(
                SavedStage(
                    name=child.name,
                    series=series(child.tally),
                    timeline=lines.get(child.tally, Timeline()),
                    stages=inside,
                    steps_ns=enclosed.get(child.tally, 0),
                )
            )
    return tuple(found)


def steps(root: Root) -> Steps:
    """The steps of one kind as they are saved."""
    lines = root.buckets.timelines([root.tally, *tallies(root)])
    spans = series(root.tally)
    return Steps(
        series=spans,
        # Taken once where it is the same: another thread may be stepping meanwhile.
        wall=spans if root.wall is root.tally else series(root.wall),
        timeline=lines[root.tally],
        tokens=root.tokens,
        token_ns=root.token_ns,
        stages=stages(root, lines, {}),
    )


def lane(state: LaneState, track: LaneTrack, now: int) -> Lane:
    """One lane; a visit that is still open counts up to now."""
    if get_ident() == track.owner or track.closed:
        track.flush()
    saved = stages(state.root, {}, state.enclosed)
    kinds = {kind: steps(root) for kind, root in state.roots.copy().items()}
    visits = series(state.root.tally)
    if state.thread:
        # When a thread stopped working is not known: its lane is as long as its marks.
        outer = sum(stage.series.total_ns - _steps_inside(stage) for stage in saved)
        total = outer + sum(found.wall.total_ns for found in kinds.values())
        visits = Series(count=1, total_ns=total, min_ns=total, max_ns=total)
    elif not track.closed:
        visits = _with_open_visit(visits, track.open_ns(state, now))
    return Lane(name=state.name, thread=state.thread, series=visits, stages=saved, steps=kinds)


def _steps_inside(stage: SavedStage) -> int:
    return stage.steps_ns + sum(_steps_inside(child) for child in stage.stages)


def _with_open_visit(visits: Series, ns: int | None) -> Series:
    if ns is None:
        return visits
    if not visits.count:
        return Series(count=1, total_ns=ns, min_ns=ns, max_ns=ns)
    return Series(
        count=visits.count + 1,
        total_ns=visits.total_ns + ns,
        min_ns=min(visits.min_ns, ns),
        max_ns=max(visits.max_ns, ns),
        bins=visits.bins,
        counts=visits.counts,
    )


def merged(lanes: Iterable[Lane]) -> tuple[Lane, ...]:
    """Lanes of the same name become one: a pool's threads come and go."""
    found: dict[str, Lane] = {}
    for one in lanes:
        if one.thread and one.name not in found and len(found) >= MAX_LANES:
            one = replace(one, name=MANY_THREADS)
        other = found.get(one.name)
        found[one.name] = one if other is None else _join(other, one)
    return tuple(found.values())


def _join(a: Lane, b: Lane) -> Lane:
    return Lane(
        name=a.name,
        thread=a.thread,
        series=_add(a.series, b.series),
        stages=_join_stages(a.stages, b.stages),
        steps={kind: _join_steps(a.steps.get(kind), b.steps.get(kind)) for kind in {**a.steps, **b.steps}},
    )


def _join_steps(a: Steps | None, b: Steps | None) -> Steps:
    if a is None or b is None:
        found = a or b
        assert found is not None
        return found
    # Steps side by side have no common order: their timelines end here.
    return Steps(
        series=_add(a.series, b.series),
        wall=_add(a.wall, b.wall),
        tokens=a.tokens + b.tokens,
        token_ns=a.token_ns + b.token_ns,
        stages=_join_stages(_without_timeline(a.stages), _without_timeline(b.stages)),
    )


def _without_timeline(saved: tuple[SavedStage, ...]) -> tuple[SavedStage, ...]:
    return tuple(
        replace(stage, timeline=Timeline(), stages=_without_timeline(stage.stages)) for stage in saved
    )


def _join_stages(a: tuple[SavedStage, ...], b: tuple[SavedStage, ...]) -> tuple[SavedStage, ...]:
    found = {stage.name: stage for stage in a}
    for stage in b:
        other = found.get(stage.name)
        if other is not None:
            stage = SavedStage(
                name=stage.name,
                series=_add(other.series, stage.series),
                stages=_join_stages(other.stages, stage.stages),
                steps_ns=other.steps_ns + stage.steps_ns,
            )
        found[stage.name] = stage
    return tuple(found.values())


def _add(a: Series, b: Series) -> Series:
    if not a.count or not b.count:
        return a if a.count else b
    bins = dict(zip(a.bins, a.counts, strict=True))
    for key, count in zip(b.bins, b.counts, strict=True):
        bins[key] = bins.get(key, 0) + count
    keys = sorted(bins)
    return Series(
        count=a.count + b.count,
        total_ns=a.total_ns + b.total_ns,
        min_ns=min(a.min_ns, b.min_ns),
        max_ns=max(a.max_ns, b.max_ns),
        bins=tuple(keys),
        counts=tuple(bins[key] for key in keys),
    )
