"""Steps that wait for their batch, and loaders with more workers than there are cores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.analysis.result import StageRow
from rnnprof.anatomy import Loader

FETCHING = (
    *("get_batch", "fetch", "fetch_batch", "load", "load_batch", "load_data", "next_batch", "batch", "data"),
    *("dataloader", "data_loading", "input"),
)
"""Names of the stage that fetches the batch: rnnprof's own first, then what users write."""
MUCH = 0.1
"""Share of the step from which the batch is worth preparing beside it: that takes more than a line."""


def input(case: Case) -> Iterable[Finding]:
    """Find a step of which fetching the batch is a large part."""
    share = case.share(FETCHING)
    if share is None:
        raise Abstain("No stage is known to fetch the batch (get_batch).")
    if share < MUCH:
        return
    stage = max((row for row in case.rows if row.name in FETCHING), key=lambda row: row.per_step_ns)
    anatomy = case.run.probe.anatomy if case.run.probe else None
    loaders = anatomy.loaders if anatomy else ()
    yield Finding(
        key="input",
        title="The step waits for its batch",
        evidence=f"{_evidence(case, stage, share)} {_loading(loaders)}".rstrip(),
        change=" ".join(_changes(case, loaders)),
        check="Compare both runs with `rnnprof compare`: the stage is short, and the others are no longer.",
        saving=share,
        bound=f"As if all of {'/'.join(stage.path)} happened beside the step.",
        stage=stage.path,
    )


def _evidence(case: Case, stage: StageRow, share: float) -> str:
    time = units.duration(share * case.step_ns)
    name = "/".join(stage.path)
    return f"{name} takes {time} of {units.duration(case.step_ns)} in a step ({units.fraction(share)})."


def _loading(loaders: Sequence[Loader]) -> str:
    if not loaders:
        return ""
    workers = sum(one.workers for one in loaders)
    if not workers:
        return "The DataLoader has no workers (`num_workers=0`): the batch is made between two steps."
    return f"The DataLoader has {_number(workers, 'worker')}."


def _number(number: int, what: str) -> str:
    return f"{units.count(number)} {what}{'s' * (number != 1)}"


def _changes(case: Case, loaders: Sequence[Loader]) -> list[str]:
    alone, cpu = case.number("cpus_usable") == 1, case.on_cpu
    said = []
    workers = sum(one.workers for one in loaders)
    if loaders and not alone and not (workers and _too_many(case, workers)):
        more = "more workers or a larger `prefetch_factor`," if workers else "workers (`num_workers=2`),"
        kept = "" if all(one.persistent for one in loaders) else " kept by `persistent_workers=True`"
        said.append(
            f"Give the DataLoader {more}{kept}"
            + ("; on a CPU they need cores that torch's threads leave free." if cpu else ".")
        )
    if not cpu:
        pinned = bool(loaders) and all(one.pin_memory for one in loaders)
        said.append(
            f"{'Copy' if pinned else 'Take it from pinned memory (`pin_memory=True`) and copy'} it with "
            "`non_blocking=True`; a corpus that fits belongs on the device once, before the loop."
        )
    said.append(
        "Cut the batch out of one tensor by an index or a slice, and prepare once what is always the same."
    )
    if not loaders and not alone:
        said.append("What is left, a DataLoader with workers can do beside the step.")
    return said


def _too_many(case: Case, workers: int) -> bool:
    """Whether so many workers and the threads of the training are more than the cores, if that is known."""
    usable, own = _cores(case)
    return usable is not None and own is not None and workers + own > usable


def _cores(case: Case) -> tuple[int | None, int | None]:
    """How many cores the program may use, and how many of them the training itself does."""
    # With an accelerator the main process feeds it from one thread.
    return case.number("cpus_usable"), case.number("threads") if case.on_cpu else 1


def workers(case: Case) -> Iterable[Finding]:
    """Find loaders whose workers and torch's threads are more than the cores."""
    loaders = case.seen("loaders").loaders
    beside = sum(one.workers for one in loaders)
    if not beside:
        return
    usable, own = _cores(case)
    if usable is None or own is None:
        raise Abstain("How many cores the program may use, or how many threads torch has, is not known.")
    crowding = case.run.vitals.crowding if case.run.vitals else None
    # A worker has one thread of torch's, and mostly waits: torch warns only of more workers than cores.
    if beside + own <= usable or (crowding is None and beside <= usable):
        return
    waited = crowding.main_waited if crowding is not None and crowding.wall_ns else None
    yield Finding(
        key="workers",
        title="The DataLoader's workers and torch's threads are more than the cores",
        evidence=(
            f"{_number(beside, 'worker')} and {_number(own, 'thread')} of the training share "
            f"{_number(usable, 'core')}." + ("" if waited is None else _waited(waited))
        ),
        change=(
            f"Take {_number(max(usable - own, 1), 'worker')} at most"
            + (", or fewer threads (`torch.set_num_threads`)." if own > 1 else ".")
        ),
        check="Compare both runs with `rnnprof compare`, and look whether get_batch gets longer.",
        saving=waited,
        bound="" if waited is None else "As if the thread that trains never stood in line for a core.",
    )


def _waited(waited: float) -> str:
    return f" The thread that trains stood in line for a core for {units.fraction(waited)} of the time."
