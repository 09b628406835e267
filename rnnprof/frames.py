"""A run as a table for pandas: one row for each stage and kind of step, nothing that needs statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rnnprof.errors import UsageError
from rnnprof.histogram import quantile

if TYPE_CHECKING:
    import pandas

    from rnnprof.model import Run, Series, Stage

COLUMNS = (
    "lane",
    "thread",
    "kind",
    "stage",
    "path",
    "depth",
    "steps",
    "count",
    "total_ns",
    "self_ns",
    "mean_ns",
    "per_step_ns",
    "min_ns",
    "median_ns",
    "p95_ns",
    "max_ns",
)
"""``path`` joins the names of the stages around one by ``/``; ``steps`` are those of its kind."""


def frame(run: Run) -> pandas.DataFrame:
    """Make the table of a run.

    Args:
        run: the saved measurement.

    Returns:
        A frame with the columns `COLUMNS`: lane by lane, kind by kind, parents before their children.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise UsageError("to_frame() needs pandas: pip install pandas") from None
    return pandas.DataFrame(list(rows(run)), columns=list(COLUMNS))


def rows(run: Run) -> Iterator[tuple[Any, ...]]:
    """The rows of that table.

    Args:
        run: the saved measurement.

    Yields:
        One value for each of `COLUMNS`; None where there is none.
    """
    for lane in run.lanes:
        about = (lane.name, lane.thread)
        within = sum(stage.series.total_ns - stage.steps_ns for stage in lane.stages) + lane.steps_ns
        yield _row(about, "", (), lane.series, max(lane.series.total_ns - within, 0), None)
        yield from _stages(about, "", lane.stages, (), None)
        for kind, steps in lane.steps.items():
            inside = sum(stage.series.total_ns for stage in steps.stages)
            own = max(steps.series.total_ns - inside, 0)
            yield _row(about, kind, (), steps.series, own, steps.series.count)
            yield from _stages(about, kind, steps.stages, (), steps.series.count)


def _stages(
    about: tuple[str, bool], kind: str, stages: Sequence[Stage], above: tuple[str, ...], steps: int | None
) -> Iterator[tuple[Any, ...]]:
    for stage in stages:
        path = (*above, stage.name)
        yield _row(about, kind, path, stage.series, stage.self_ns, steps)
        yield from _stages(about, kind, stage.stages, path, steps)


def _row(
    about: tuple[str, bool], kind: str, path: tuple[str, ...], series: Series, self_ns: int, steps: int | None
) -> tuple[Any, ...]:
    many = series.count > 0
    return (
        *about,
        kind,
        path[-1] if path else "",
        "/".join(path),
        len(path),
        steps,
        series.count,
        series.total_ns,
        self_ns,
        series.mean_ns if many else None,
        series.total_ns / steps if steps else None,
        series.min_ns if many else None,
        quantile(series, 0.5),
        quantile(series, 0.95),
        series.max_ns if many else None,
    )
