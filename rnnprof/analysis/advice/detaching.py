"""Hidden states that drag the graph of earlier steps along, so that backward goes through all of it.

`detach` has two signals. The graph: backward of the probed step went through nodes of earlier steps.
That may be meant (truncated backpropagation over a window of several steps), which is bounded: over a
long run, backward then stays as fast as it was. And the exception with which torch answers, where the
program did not ask for the graph to be retained.
"""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.around import meanwhile
from rnnprof.analysis.advice.case import Abstain, Case, at
from rnnprof.analysis.advice.deepening import Deepening, deepening
from rnnprof.analysis.advice.states import is_recurrent, listed, repackage
from rnnprof.model import Run
from rnnprof.network import Graph
from rnnprof.vitals import CHANGED, SECOND, Failure


def detach(case: Case) -> Iterable[Finding]:
    """Find states that are not detached between two steps."""
    failure = case.run.vitals.failure if case.run.vitals else None
    if failure is not None and _by_graph(failure):
        return [_failed(case.run, failure)]
    graph = case.seen("graph").graph
    if graph is None:
        raise Abstain("No backward pass was seen in the probed step.")
    if not (graph.earlier and graph.previous):
        return []
    course = deepening(case)
    return [] if course.bounded else [_reaches_back(case, graph, course, failure)]


def _by_graph(failure: Failure) -> bool:
    return SECOND in failure.message or (CHANGED in failure.message and bool(failure.states))


def _failed(run: Run, failure: Failure) -> Finding:
    names = failure.states
    changed = SECOND not in failure.message
    what = "an update has changed since" if changed else "an earlier backward pass has already freed"
    evidence = [f"The run ended with {failure.kind}: backward came into a part of the graph that {what}."]
    if names:
        many = len(names) > 1
        evidence.append(
            f"{listed(names)} {'come' if many else 'comes'} into the step with the graph of an earlier one."
        )
        title = f"{listed(names)} {'are' if many else 'is'} not detached between two steps: the run failed"
    elif is_recurrent(run):
        evidence.append("In recurrent training that is nearly always a hidden state that keeps its graph.")
        title = "A hidden state is not detached between two steps: the run failed"
    else:
        evidence.append(
            "Either backward is called twice on one result, or something made in an earlier step, such as "
            "a hidden state, is used again."
        )
        title = "Two backward passes go through one graph: the run failed"
    place = failure.state_line
    if names or is_recurrent(run):
        change = repackage(names, place)
    else:
        change = (
            "Detach what one step hands on to the next (`h = h.detach()`), or add up the losses and call "
            "backward once."
        )
    change += (
        " `retain_graph=True` is no cure: the graph would grow with every step, and with it the time of "
        "backward and the memory."
    )
    return Finding(
        key="detach",
        title=title,
        evidence=" ".join(evidence),
        change=change,
        check="The run gets past this step, and backward takes as long at its end as at its start.",
        urgent=True,
        **at(place or failure.line),
    )


def _reaches_back(case: Case, graph: Graph, course: Deepening, failure: Failure | None) -> Finding:
    probe = case.run.probe
    least = "at least " if graph.nodes >= graph.most else ""
    own = graph.nodes - graph.previous - graph.earlier
    evidence = [
        f"In step {probe.step if probe else 0}, backward went through {least}{_nodes(graph.nodes)} of the "
        f"graph: {units.count(max(own, 0))} of this step, {units.count(graph.previous)} of the one before, "
        f"{units.count(graph.earlier)} older."
    ]
    states = case.anatomy.states
    names = tuple(dict.fromkeys(state.name for state in states if state.name))
    if states:
        behind = units.count(max(state.nodes for state in states))
        evidence.append(f"Behind {listed(names) or 'a state'} are up to {behind} nodes.")
    evidence += [course.said] if course.said else []
    memory = meanwhile(case.run)
    evidence += [memory] if memory else []
    if failure is not None and "memory" in failure.kind.lower() + failure.message.lower():
        evidence.append(f"The run ended with {failure.kind}.")
    place = next((state.line for state in states if state.line is not None), graph.line)
    change = repackage(names, place if states else None)
    if graph.retained:
        change += " Then `retain_graph=True` is not needed any more."
    if not course.said:
        change += " Where several steps are meant to share a graph, detach at the beginning of each window."
    title = f"{listed(names)} {'are' if len(names) > 1 else 'is'} not detached" if names else _UNNAMED
    return Finding(
        key="detach",
        title=f"{title}: backward goes through earlier steps again",
        evidence=" ".join(evidence),
        change=change,
        check=(
            "Run it again: this finding is gone, and backward takes as long at the end of the run as at "
            "its start (`rnnprof compare` shows both runs side by side)."
        ),
        saving=course.saving,
        bound=course.bound,
        urgent=True,
        stage=course.stage,
        **at(place),
    )


_UNNAMED = "A state is not detached between two steps"


def _nodes(number: int) -> str:
    return f"{units.count(number)} node{'' if number == 1 else 's'}"
