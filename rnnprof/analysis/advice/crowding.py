"""CPU threads that stand in line for a core."""

from __future__ import annotations

from collections.abc import Iterable

from rnnprof import units
from rnnprof.analysis.advice.advised import Finding
from rnnprof.analysis.advice.case import Abstain, Case
from rnnprof.vitals import Crowding

WAITED = 0.1
"""The least part of the time that threads could have run, but had no core. A scheduler that shares out free
cores makes them wait for less than a hundredth."""


def threads(case: Case) -> Iterable[Finding]:
    """Find more threads than there are free cores, where the CPU computes."""
    vitals = case.run.vitals
    crowding = vitals.crowding if vitals else None
    if crowding is None:
        yield from _by_numbers(case)
        return
    whole = crowding.ran_ns + crowding.waited_ns
    if not case.on_cpu or crowding.threads < 2 or not whole or not crowding.wall_ns:
        return
    waited = crowding.waited_ns / whole
    main = crowding.main_waited
    if max(waited, main) < WAITED:
        return
    free = _free(crowding)
    yield Finding(
        key="threads",
        title="More threads than free cores",
        evidence=(
            f"{crowding.threads} threads ran for {units.duration(crowding.ran_ns)} and stood in line for a "
            f"core for {units.duration(crowding.waited_ns)}, {units.fraction(waited)} of both; the one that "
            f"trains waited for {units.fraction(main)} of the time.{_machine(case)}"
        ),
        change=_change(case, free),
        check="Run again with one thread fewer at a time, and compare with `rnnprof compare`.",
        saving=min(crowding.waited_ns / crowding.wall_ns, 1.0),
        bound=(
            "The time in which any thread waited for a core: the others then spin or sleep until it comes, "
            "so that no more than this is lost."
        ),
    )


def _by_numbers(case: Case) -> Iterable[Finding]:
    """Without a look at the waiting: more threads than cores is too many on any machine."""
    given, usable = case.number("threads"), case.number("cpus_usable")
    if given is None or usable is None:
        raise Abstain("How long threads waited for a core is not known on this system.")
    if not case.on_cpu:
        return
    if given <= usable:
        raise Abstain("How long threads waited for a core is not known, and load alone does not tell it.")
    yield Finding(
        key="threads",
        title="More threads than cores",
        evidence=f"torch computes with {given} threads on {usable} cores.{_machine(case)}",
        change=_change(case, usable),
        check="Run again, and compare both runs with `rnnprof compare`.",
    )


def _free(crowding: Crowding) -> int:
    """Cores that the threads had between them, and one at least."""
    return max(1, crowding.ran_ns // crowding.wall_ns)


def _change(case: Case, number: int) -> str:
    variables = case.run.environment.get("env")
    passive = variables.get("OMP_WAIT_POLICY", "") if isinstance(variables, dict) else ""
    said = f"`torch.set_num_threads({number})`, or `OMP_NUM_THREADS={number}` before the start."
    if str(passive).lower() != "passive":
        said += (
            " Where the number of free cores changes: `OMP_WAIT_POLICY=passive`, so that threads that wait "
            "for each other sleep and do not spin. With a busy neighbour, two threads made the forward pass "
            "of an LSTM 20 times slower than one, and this cured it."
        )
    return said


def _machine(case: Case) -> str:
    """What the run says of threads, cores and load, after a space; empty where it says nothing."""
    facts = []
    given, usable = case.number("threads"), case.number("cpus_usable")
    if given is not None:
        facts.append(f"torch has {given} threads")
    if usable is not None:
        facts.append(f"the process may use {usable} cores")
    for key, when in (("load_average", "at the start"), ("load_average_at_end", "at the end")):
        loads = case.run.environment.get(key)
        if isinstance(loads, list) and loads and isinstance(loads[0], (int, float)):
            facts.append(f"the load was {loads[0]:.3g} {when}")
    said = "; ".join(facts)
    return f" {said[0].upper()}{said[1:]}." if said else ""
