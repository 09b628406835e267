"""Where the host waits, and the memory of the probed step: exact figures, order, what is not known."""

from __future__ import annotations

from dataclasses import replace

from rnnprof.probes import Memory, Place, Probe, ProbedStage
from tests.probe_builder import wait_of
from tests.probe_reports import MS, report, row_of


def test_the_longest_wait_comes_first() -> None:
    waits = (
        wait_of(5, waited_ns=MS),
        wait_of(7, waited_ns=6 * MS, count=3),
        wait_of(6, way="new", waited_ns=MS),
    )
    found = report(probe=Probe(3, "cuda", 20 * MS, waits=waits, more_waits=2)).waits
    assert (
        found.sentence == "The host waits for the device at 5 places in a step: 8.00 ms of 20.0 ms (40.0 %)."
    )
    assert [(row.place, row.percent) for row in found.rows] == [
        ("main.py:7", "30.0 %"), ("main.py:5", "5.0 %"), ("main.py:6", "5.0 %"),
    ]  # fmt: skip
    assert (found.places, found.unkept, found.count, found.waited_ns) == (5, 2, 5, 8 * MS)
    assert (found.rows[0].stage, found.rows[0].form, found.rows[0].can_go) == ("log", "tensor.item()", True)
    assert (found.rows[2].form, found.rows[2].why, found.rows[2].can_go) == ("", "", None)


def test_places_with_one_name_are_told_apart() -> None:
    waits = (wait_of(5), wait_of(5, file="/other/main.py"), wait_of(0, file="<string>"))
    found = report(probe=Probe(3, "cuda", 20 * MS, waits=waits)).waits
    places = {row.place for row in found.rows}
    assert places == {"word_language_model/main.py:5", "other/main.py:5", "<string>"}


def test_a_place_that_is_not_known_is_told_by_its_stage() -> None:
    paths = (("forward",), ("forward", "rnn"), ())
    waits = (
        *(wait_of(0, path, way="mask", call="tensor[mask]", file="", waited_ns=None) for path in paths),
        wait_of(7, ("forward",), waited_ns=None, file="", way="mask"),
    )
    found = report(probe=Probe(3, "cpu", 20 * MS, waits=waits)).waits
    assert [(row.place, row.stage, row.file) for row in found.rows] == [
        ("in forward", "forward", ""), ("in forward", "forward", ""), ("in forward/rnn", "rnn", ""),
        ("place not known", "other", ""),
    ]  # fmt: skip
    assert {(row.form, row.can_go) for row in found.rows} == {
        ("tensor[mask], torch.masked_select(tensor, mask)", True)
    }


def test_without_an_accelerator_the_most_frequent_wait_comes_first() -> None:
    waits = (wait_of(5, waited_ns=None), wait_of(7, waited_ns=None, count=4, way="other"))
    found = report(probe=Probe(3, "cpu", 20 * MS, waits=waits)).waits
    assert found.sentence == "On an accelerator the host would wait for the device at 2 places in a step."
    assert [(row.line, row.share, row.percent, row.can_go) for row in found.rows] == [
        (7, None, "–", None), (5, None, "–", True),
    ]  # fmt: skip
    assert (found.waited_ns, found.share, found.percent) == (None, None, "–")
    one = report(probe=Probe(3, "cuda", 20 * MS, waits=waits[:1])).waits
    assert one.sentence == "The host waits for the device at 1 place in a step."
    none = report(probe=Probe(3, "cuda", 20 * MS)).waits
    assert none.sentence == "No place found at which the host waits for the device."


def test_waits_longer_than_the_step_are_its_whole() -> None:
    found = report(
        probe=Probe(3, "cuda", 5, waits=(wait_of(5, waited_ns=30), wait_of(6, waited_ns=10)))
    ).waits
    assert found.sentence == "The host waits for the device at 2 places in a step: 40 ns of 40 ns (100 %)."
    assert [row.share for row in found.rows] == [0.75, 0.25]


def test_memory() -> None:
    memory = (
        Memory(("a", "b"), "cuda:0", 50, -20, 70, 8),
        Memory(("a",), "cuda:0", 10, 30, 110, None),
        Memory((), "cuda:0", 0, 5, 120, 8),
        Memory((), "resident", 0, -3, None, None),
    )
    places = (Place("cuda:0", 1000, 2000, 4000),)
    probe = Probe(3, "cuda", 9, (ProbedStage(("a",), 1, 1),), memory=memory, places=places)
    found = report(probe=probe)
    cuda, resident = found.memory
    assert [(row.name, row.allocated_bytes, row.above_bytes, row.peak_bytes) for row in cuda.rows] == [
        ("a", 30, 110, 1120), ("b", -20, 70, 1120), ("step", 5, 120, 1120),
    ]  # fmt: skip
    assert (cuda.peak_bytes, cuda.peak_percent, cuda.reserved_percent) == (1120, "28.0 %", "50.0 %")
    tiny = report(probe=replace(probe, places=(Place("cuda:0", 1000, 2000, 3),))).memory[0]
    assert (tiny.peak_share, tiny.peak_percent, tiny.reserved_share) == (None, "–", None)
    assert (resident.rows[0].allocated_bytes, resident.peak_bytes, resident.peak_percent) == (-3, None, "–")
    assert (found.work.place, found.work.absolute) == ("cuda:0", True)
    assert (row_of(found, "a").peak_bytes, found.work.step.peak_bytes) == (1120, 1120)
    unknown = report(probe=replace(probe, places=()))
    assert (unknown.memory[0].peak_bytes, unknown.work.absolute) == (None, False)
    assert unknown.work.step.peak_bytes == 120
    nothing = report(probe=replace(probe, places=(Place("cuda:0", 0, 5, 0),))).memory[0]
    assert (nothing.peak_share, nothing.reserved_share) == (None, None)


def test_the_memory_that_a_stage_fills_most_is_shown() -> None:
    memory = (
        Memory((), "cuda:0", 0, 5, 10, 0),
        Memory((), "cuda:1", 0, 5, 20, 0),
        Memory((), "cpu", 0, 0, 99, None),
    )
    assert report(probe=Probe(3, "cuda", 9, memory=memory)).work.place == "cuda:1"
    assert report(probe=Probe(3, "cuda", 9, memory=memory[2:])).work.place == ""
