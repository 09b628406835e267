"""How a step is built and the process around it, as the run file holds them: what is valid, what is not."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest

import rnnprof
from rnnprof import anatomylayout, runcheck
from rnnprof.anatomy import Anatomy, Denormals, Loader, Padding
from rnnprof.model import Run
from rnnprof.network import Graph, Line, Output, State
from rnnprof.probes import Probe
from rnnprof.vitals import Compiled, Crowding, Failure, MemoryCourse, Pauses, Vitals
from tests.anatomy_builder import line_of
from tests.recurrent_calls import layer
from tests.run_builder import run_of
from tests.test_runcheck import PROBE, with_probe
from tests.test_runfile import changed, refused

GRAPH = asdict(Graph(9, 4, 5, 1000, (("AddmmBackward", 9),), False, line_of(7)))
LAYER = asdict(layer(packed_steps=700))
PADDING = asdict(Padding("targets", 3, 10, False, None))
DENORMALS = asdict(Denormals("gradients", 3, 10, False))
PAUSES = {"generation": 2, "count": 3, "total_ns": 9, "max_ns": 4}
COURSE = {"place": "resident", "steps": [5, 9], "bytes": [100, 200]}
FAILURE = {"kind": "RuntimeError", "message": "no", "line": None}


def with_anatomy(**parts: Any) -> bytes:
    return with_probe(anatomy=parts)


def with_vitals(**parts: Any) -> bytes:
    return changed(vitals=parts)


NO_INTEGER = "a number of the probe's anatomy is not written as an integer"
VITAL_INTEGER = "a number of the vitals is not written as an integer"
TOO_LARGE = "must be smaller than or equal to 9223372036854775807"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_probe(anatomy=None), "run.probe.anatomy must be object"),
        (with_anatomy(graph=None), "run.probe.anatomy.graph must be object"),
        (with_anatomy(graph={**GRAPH, "nodes": 9.0}), NO_INTEGER),
        (with_anatomy(graph={**GRAPH, "names": [["a", 1.0]]}), NO_INTEGER),
        (with_anatomy(graph={**GRAPH, "names": [["a"]]}), None),
        (with_anatomy(graph={**GRAPH, "names": [["a", 1]] * 101}), None),
        (with_anatomy(graph={**GRAPH, "nodes": 8}), "the anatomy's graph has more old nodes than nodes"),
        (with_anatomy(graph={**GRAPH, "line": {**asdict(line_of(3)), "line": 3.0}}), NO_INTEGER),
        (with_anatomy(states=[{"name": "h", "nodes": -1, "line": None}]), None),
        (with_anatomy(recurrent=[{**LAYER, "packed_steps": 2.0}]), NO_INTEGER),
        (with_anatomy(recurrent=[{**LAYER, "directions": 3}]), None),
        (with_anatomy(recurrent=[{**LAYER, "directions": True}]), None),
        (with_anatomy(recurrent=[{**LAYER, "path": "forward"}]), None),
        (with_anatomy(recurrent=[LAYER] * 101), None),
        (with_anatomy(parameters=[{"dtype": "a", "device": "b", "tensors": 1, "elements": 2**63}]), None),
        (with_anatomy(padding=[{**PADDING, "padding": 11}]), "the anatomy's padding is more than its total"),
        (
            with_anatomy(denormals=[{**DENORMALS, "denormal": 11}]),
            "the anatomy's denormals are more than their total",
        ),
        (with_anatomy(missing=[["graph"]]), None),
        (changed(vitals=None), "run.vitals must be object"),
        (with_vitals(pauses=[{**PAUSES, "count": 3.0}]), VITAL_INTEGER),
        (with_vitals(pauses=[PAUSES, PAUSES]), "the vitals' pauses hold generation 2 twice"),
        *(
            (
                with_vitals(pauses=[{**PAUSES, **wrong}]),
                "the vitals' pauses of generation 2 contradict each other",
            )
            for wrong in ({"max_ns": 10}, {"count": 0})
        ),
        (with_vitals(memory=[COURSE, COURSE]), "the vitals' memory 'resident' is there twice"),
        (
            with_vitals(memory=[{**COURSE, "bytes": [1]}]),
            "the vitals' memory 'resident' has 2 steps but 1 sizes",
        ),
        *(
            (
                with_vitals(memory=[{**COURSE, "steps": steps}]),
                "the vitals' memory 'resident' has steps that do not ascend",
            )
            for steps in ([9, 5], [5, 5])
        ),
        (with_vitals(memory=[{**COURSE, "steps": [5, 9.0]}]), VITAL_INTEGER),
        (
            with_vitals(memory=[{**COURSE, "bytes": [1, 2**63]}]),
            f"run.vitals.memory[0].bytes[1] {TOO_LARGE}",
        ),
        (with_vitals(memory=[{**COURSE, "steps": [1] * 1001, "bytes": [1] * 1001}]), None),
        (with_vitals(crowding={"wall_ns": 1}), None),
        (with_vitals(failure={**FAILURE, "states": [3]}), "run.vitals.failure.states[0] must be string"),
        (with_vitals(failure={**FAILURE, "states": ["h"] * 101}), None),
        (with_vitals(compiled={"graphs": 1, "later": 2.0}), VITAL_INTEGER),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, message: str | None) -> None:
    found = refused(tmp_path, content)
    assert found.startswith("is no valid run: ")
    assert found.isprintable()
    assert len(found) < 250
    if message is not None:
        assert found == f"is no valid run: {message}"


def full() -> Run:
    """A run that has something of most parts."""
    anatomy = Anatomy(
        graph=Graph(9, 4, 5, 1000, (("AddmmBackward", 9),), False, line_of(7)),
        states=(State("hidden", 9, line_of(3, function="step")),),
        output=Output(10_000, 200, None, (10_000, 200), False, 10**7, None),
        loaders=(Loader(2, None, None, False, False, True),),
        missing=(("padding", "nothing tells it from words"),),
    )
    vitals = Vitals(
        pauses=(Pauses(2, 3, 9, 4),),
        memory=(MemoryCourse("resident", (5, 9), (100, 200)),),
        crowding=Crowding(10, 2, 8, 7, 6),
        failure=Failure("RuntimeError", "no", Line("main.py", 0, "f", ""), ("h",), line_of(3)),
        compiled=Compiled(3, 1),
    )
    return run_of((), probe=Probe(2, "cpu", 5, anatomy=anatomy), vitals=vitals)


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    rnnprof.save(full(), tmp_path / "run.json")
    assert rnnprof.load(tmp_path / "run.json") == full()


def test_what_is_not_in_the_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(with_probe())
    run = rnnprof.load(tmp_path / "run.json")
    assert run.probe is not None
    assert (run.probe.anatomy, run.vitals) == (None, None)
    (tmp_path / "run.json").write_bytes(changed(probe={**PROBE, "anatomy": {}}, vitals={}))
    run = rnnprof.load(tmp_path / "run.json")
    assert run.probe is not None
    assert (run.probe.anatomy, run.vitals) == (Anatomy(), Vitals())


def test_nothing_is_written_of_what_was_not_looked_at(tmp_path: Path) -> None:
    rnnprof.save(run_of((), probe=Probe(2, "cpu", 5), vitals=Vitals()), tmp_path / "run.json")
    saved = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert "anatomy" not in saved["probe"]
    assert saved["vitals"] == {"memory": []}
    assert anatomylayout.to_json(Vitals(pauses=())) == {"pauses": (), "memory": ()}


def test_keys_of_a_newer_version_may_be_anything(tmp_path: Path) -> None:
    newer = {"later": 1.5, "more": [{}]}
    vitals = {**newer, "memory": [{**COURSE, **newer}], "failure": {**FAILURE, **newer}}
    anatomy = {**newer, "graph": {**GRAPH, **newer, "line": {**asdict(line_of(3)), **newer}}}
    data = {**json.loads(with_probe(anatomy=anatomy)), "vitals": vitals}
    (tmp_path / "run.json").write_text(json.dumps(data), "utf-8")
    run = rnnprof.load(tmp_path / "run.json")
    assert run.vitals == Vitals(
        memory=(MemoryCourse("resident", (5, 9), (100, 200)),), failure=Failure("RuntimeError", "no", None)
    )
    assert run.probe is not None
    assert run.probe.anatomy is not None
    assert run.probe.anatomy.graph == Graph(9, 4, 5, 1000, (("AddmmBackward", 9),), False, line_of(3))


def parts(kind: Any, name: str) -> list[tuple[str, Any]]:
    """The dataclasses of a kind's fields, with where they are."""
    found = [(name, kind)]
    for key, hint in get_type_hints(kind).items():
        below = [one for one in (hint, *get_args(hint)) if is_dataclass(one) and one is not Line]
        found += [pair for one in below for pair in parts(one, f"{name}.{key}")]
    return found


@pytest.mark.parametrize(
    ("where", "kind"), [*parts(Anatomy, "anatomy"), *parts(Vitals, "vitals"), ("line", Line)]
)
def test_the_schema_has_every_field(where: str, kind: Any) -> None:
    name, *keys = where.split(".")
    found = runcheck.schema()["definitions"][name]
    for key in keys:
        found = found["properties"][key]
        found = found.get("items", found)
    assert list(found["properties"]) == [field.name for field in fields(kind)]
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    assert found.get("required", []) == needed
    hints = get_type_hints(kind)
    for key, rule in found["properties"].items():
        # At the top what was not looked at is absent; in a part it is null.
        assert ("anyOf" in rule) == (bool(keys or name == "line") and NoneType in get_args(hints[key])), key
