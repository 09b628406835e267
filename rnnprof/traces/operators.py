"""What torch.profiler's trace says of each stage: operators, kernels, launches, busy and idle device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from rnnprof.captures import MOST_OPERATORS, OTHERS, Kernel, Operator, Path, TracedStage
from rnnprof.model import Json
from rnnprof.traces.device_time import Work, busy_and_gaps
from rnnprof.traces.events import DEVICE, OPERATOR, Entry, entries, is_launch
from rnnprof.traces.labels import Labels, find


@dataclass(frozen=True)
class Summary:
    """What a trace says of its steps.

    Args:
        steps: number of steps that counted.
        total_ns: host time of their labels.
        device: whether anything of theirs ran on a device.
        stages: the step itself, then its stages in the order in which they first began.
    """

    steps: int
    total_ns: int
    device: bool
    stages: tuple[TracedStage, ...]


@dataclass
class _Sums:
    """One stage while its trace is summed."""

    calls: int = 0
    total_ns: int = 0
    operators: dict[str, _Called] = field(default_factory=dict)
    kernels: dict[str, _Called] = field(default_factory=dict)
    launches: int = 0


@dataclass(slots=True)
class _Called:
    calls: int = 0
    self_ns: int = 0
    device_ns: int = 0


@dataclass(slots=True)
class _Caller:
    """Who started device work: a stage, and the operator in it, if any."""

    path: Path | None
    operator: _Called | None
    used: bool = False


@dataclass(slots=True)
class _Open:
    """An operator or label that is open while a thread is walked through."""

    end: int
    path: Path | None
    operator: _Called | None


class _Host:
    """Walks through the threads of the host: self times, and who launched what."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.stages: dict[Path, _Sums] = {}
        self.by_correlation: dict[int, _Caller] = {}
        self.by_external: dict[int, _Caller] = {}
        for entry in labels.entries:
            self.stages.setdefault(labels.paths[entry.order], _Sums())

    def walk(self, thread: Iterable[Entry], labelled: bool) -> None:
        """Count one thread's operators, launches and, on the labelled thread, stages.

        An operator's own time is that in which it is the innermost of all operators and stages.
        """
        around: list[_Open] = []
        paths = self.labels.paths
        for entry in sorted(thread):
            start, end = entry.start, entry.end
            while around and around[-1].end <= start:
                around.pop()
            top = around[-1] if around else None
            label = paths.get(entry.order)
            if entry.category != OPERATOR and label is None:
                self._launch(entry, top, labelled)
                continue
            # Nothing outlasts what it is in: clipped, so that no own time is negative.
            end = end if top is None else min(end, top.end)
            if top is not None and top.operator is not None:
                top.operator.self_ns -= end - start
            if label is not None:
                self.stages[label].calls += 1
                self.stages[label].total_ns += end - start
                around.append(_Open(end, label, None))
                continue
            path = self._stage(start, top, labelled)
            called = None
            if path is not None:
                called = self.stages[path].operators.setdefault(entry.name, _Called())
                called.calls += 1
                called.self_ns += end - start
            around.append(_Open(end, path, called))
            if entry.external is not None:
                self.by_external.setdefault(entry.external, _Caller(path, called))

    def _launch(self, entry: Entry, top: _Open | None, labelled: bool) -> None:
        if entry.correlation is None:
            return
        if top is not None and top.operator is not None:
            caller = _Caller(top.path, top.operator)
        else:
            path = self._stage(entry.start, top, labelled)
            caller = _Caller(path, None)
            known = self.by_external.get(entry.external) if entry.external else None
            if known is not None and known.path == path:
                caller = _Caller(path, known.operator)
        self.by_correlation.setdefault(entry.correlation, caller)

    def _stage(self, time: int, top: _Open | None, labelled: bool) -> Path | None:
        """The stage of what begins now: on another thread, that of the labelled one at this moment."""
        if labelled:
            return top.path if top is not None else None
        return self.labels.at(time)

    def caller(self, entry: Entry) -> _Caller:
        """Who started a device event: by its launch, else by its operator, else the step around it."""
        if entry.correlation in self.by_correlation:
            caller = self.by_correlation[entry.correlation]
            if caller.path is not None and not caller.used:
                caller.used = True
                self.stages[caller.path].launches += 1
            return caller
        if entry.external and entry.external in self.by_external:
            return self.by_external[entry.external]
        return _Caller(None if self.labels.at(entry.start) is None else (), None)


def summarise(data: Json, paths: Collection[Path], steps: Collection[int]) -> Summary:
    """Sum a trace up, stage by stage.

    What ran on another thread counts to the stage that the steps' thread was in when it began: so
    the backward pass, which torch runs on threads of its own for a device, counts to the stage that
    called it. A kernel counts to the stage of its launch, whenever the device came to run it.

    Args:
        data: a trace, as :func:`rnnprof.traces.events.read` gives it.
        paths: paths of the stages under the step; any other annotation is passed over.
        steps: numbers of the steps that count; what is in no such step is left out.

    Returns:
        Sums in nanoseconds. They add up: the longest operators and kernels are kept by name, the
        others as one.
    """
    threads: dict[tuple[int | str, int | str], list[Entry]] = defaultdict(list)
    device: list[Entry] = []
    everything = list(entries(data))
    labels = find(everything, paths, steps)
    if labels.thread is None:
        return Summary(0, 0, False, (TracedStage((), 0, 0),))
    for entry in everything:
        if entry.category in DEVICE:
            device.append(entry)
        elif entry.category == OPERATOR or entry.order in labels.paths or is_launch(entry.category):
            threads[entry.thread].append(entry)
    host = _Host(labels)
    # The labelled thread first: on the others an operator is found by its number.
    for place in sorted(threads, key=lambda place: place != labels.thread):
        host.walk(threads[place], labelled=place == labels.thread)
    work = [_work(host, entry) for entry in device]
    busy, gaps = busy_and_gaps(work, labels.windows)
    stages = tuple(_traced(path, sums, busy, gaps) for path, sums in host.stages.items())
    return Summary(stages[0].calls, stages[0].total_ns, any(one.path is not None for one in work), stages)


def _work(host: _Host, entry: Entry) -> Work:
    caller = host.caller(entry)
    if caller.path is not None:
        kernel = host.stages[caller.path].kernels.setdefault(entry.name, _Called())
        kernel.calls += 1
        kernel.device_ns += entry.end - entry.start
        if caller.operator is not None:
            caller.operator.device_ns += entry.end - entry.start
    return Work(str(entry.device), entry.start, entry.end, caller.path)


def _traced(path: Path, sums: _Sums, busy: dict[Path, int], gaps: dict[Path, int]) -> TracedStage:
    operators = _longest(sums.operators, lambda called: called.self_ns)
    kernels = _longest(sums.kernels, lambda called: called.device_ns)
    return TracedStage(
        path,
        sums.calls,
        sums.total_ns,
        tuple(Operator(name, one.calls, one.self_ns, one.device_ns) for name, one in operators),
        tuple(Kernel(name, one.calls, one.device_ns) for name, one in kernels),
        sums.launches,
        busy.get(path, 0),
        gaps.get(path, 0),
    )


def _longest(named: dict[str, _Called], length: Callable[[_Called], int]) -> list[tuple[str, _Called]]:
    ordered = sorted(named.items(), key=lambda item: (-length(item[1]), item[0]))
    kept, rest = ordered[:MOST_OPERATORS], [one for _, one in ordered[MOST_OPERATORS:]]
    if rest:
        summed = (
            sum(one.calls for one in rest),
            sum(one.self_ns for one in rest),
            sum(one.device_ns for one in rest),
        )
        kept.append((OTHERS, _Called(*summed)))
    return kept
