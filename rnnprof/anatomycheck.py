"""What a schema cannot say of a run file's anatomy and vitals: whole numbers, and no contradictions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from rnnprof.anatomy import Anatomy
from rnnprof.anatomylayout import whole_numbers
from rnnprof.vitals import Vitals

Json = dict[str, Any]


def anatomy_faults(anatomy: Json) -> Iterator[str]:
    """What is wrong with an anatomy that fits the schema.

    Yields:
        Faults, each as the end of a sentence on the file.
    """
    yield from _numbers(Anatomy, anatomy, "the probe's anatomy")
    graph = anatomy.get("graph")
    if graph is not None and graph["previous"] + graph["earlier"] > graph["nodes"]:
        yield "the anatomy's graph has more old nodes than nodes"
    for batch in anatomy.get("padding", ()):
        if batch["padding"] > batch["total"]:
            yield "the anatomy's padding is more than its total"
    for place in anatomy.get("denormals", ()):
        if place["denormal"] > place["total"]:
            yield "the anatomy's denormals are more than their total"


def vitals_faults(vitals: Json) -> Iterator[str]:
    """What is wrong with vitals that fit the schema; likewise."""
    yield from _numbers(Vitals, vitals, "the vitals")
    seen = set()
    for pause in vitals.get("pauses", ()):
        generation = pause["generation"]
        if generation in seen:
            yield f"the vitals' pauses hold generation {generation} twice"
        seen.add(generation)
        if pause["max_ns"] > pause["total_ns"] or (pause["total_ns"] and not pause["count"]):
            yield f"the vitals' pauses of generation {generation} contradict each other"
    places = set()
    for course in vitals.get("memory", ()):
        where = f"the vitals' memory {course['place']!r}"
        if course["place"] in places:
            yield f"{where} is there twice"
        places.add(course["place"])
        steps, sizes = len(course["steps"]), len(course["bytes"])
        if steps != sizes:
            yield f"{where} has {steps} steps but {sizes} sizes"
        if any(later <= step for step, later in pairwise(course["steps"])):
            yield f"{where} has steps that do not ascend"


def _numbers(kind: Any, data: Json, where: str) -> Iterator[str]:
    # In a schema 1.0 is an integer.
    if any(type(number) is not int for number in whole_numbers(kind, data) if number is not None):
        yield f"a number of {where} is not written as an integer"
