"""The drawing of every case: nothing overlaps, nothing overflows, arrows avoid boxes."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from flow_cases import CASES

from rnnprof.renderers.flowchart.build import graph
from rnnprof.renderers.flowchart.escape import tex_printable
from rnnprof.renderers.flowchart.layout import layout
from rnnprof.renderers.flowchart.scene import Panel, Rect, Scene, Text
from rnnprof.renderers.flowchart.text import printable, width

pytestmark = pytest.mark.parametrize("name", CASES)


def draw(name: str) -> Scene:
    return layout(graph(CASES[name]()), printable)


def overlap(one: Rect, two: Rect, spare: float = 0.5) -> bool:
    return (
        one.x + spare < two.right
        and two.x + spare < one.right
        and one.y + spare < two.bottom
        and two.y + spare < one.bottom
    )


def extent(text: Text) -> Rect:
    wide = width(text.string, text.size, text.bold)
    left = text.x - {"start": 0.0, "middle": wide / 2, "end": wide}[text.anchor]
    if text.turned:
        return Rect(text.x - text.size * 0.75, text.y - wide / 2, text.size, wide)
    return Rect(left, text.y - text.size * 0.75, wide, text.size)


def inside(inner: Rect, outer: Rect) -> bool:
    spare = 0.01
    return (
        inner.x >= outer.x - spare
        and inner.right <= outer.right + spare
        and inner.y >= outer.y - spare
        and inner.bottom <= outer.bottom + spare
    )


def solid(scene: Scene) -> list[tuple[str, Rect]]:
    boxes = [(box.key, box.rect) for box in scene.boxes]
    return boxes + ([("decision", scene.decision[0])] if scene.decision else [])


def test_no_two_boxes_overlap(name: str) -> None:
    for (one, first), (two, second) in combinations(solid(draw(name)), 2):
        assert not overlap(first, second), (one, two)


def test_lanes_and_containers_hold_what_is_in_them(name: str) -> None:
    scene = draw(name)
    page = Rect(0, 0, scene.width, scene.height)
    for lane in scene.lanes:
        assert inside(lane.rect, page)
    for panel in (*scene.boxes, *scene.containers):
        assert any(inside(panel.rect, lane.rect) for lane in scene.lanes), panel.key
    for one, two in combinations(scene.containers, 2):
        nested = inside(one.rect, two.rect) or inside(two.rect, one.rect)
        assert nested or not overlap(one.rect, two.rect), (one.key, two.key)
    for container in scene.containers:
        for box in scene.boxes:
            assert inside(box.rect, container.rect) or not overlap(box.rect, container.rect)


def test_no_text_is_wider_than_its_room_or_leaves_its_panel(name: str) -> None:
    scene = draw(name)
    panels: tuple[Panel, ...] = (*scene.lanes, *scene.containers, *scene.boxes)
    for panel in panels:
        for text in panel.texts:
            assert width(text.string, text.size, text.bold) <= text.room + 0.02, text
            assert inside(extent(text), panel.rect), text
        for one, two in combinations(panel.texts, 2):
            assert not overlap(extent(one), extent(two), 1.5), (one, two)
    page = Rect(0, 0, scene.width, scene.height)
    loose = [*scene.texts, *scene.legend.texts, *(text for _, text in scene.legend.ticks)]
    for text in [*loose, *(text for _, _, text in scene.legend.samples)]:
        assert inside(extent(text), page), text


def test_texts_of_containers_are_not_covered_by_boxes(name: str) -> None:
    scene = draw(name)
    texts = [text for panel in scene.containers for text in panel.texts]
    labels = [wire.label for wire in scene.wires if wire.label]
    for text in [*texts, *scene.texts, *labels]:
        for key, rect in solid(scene):
            assert not overlap(extent(text), rect), (text.string, key)


def test_arrows_run_straight_and_avoid_boxes_and_texts(name: str) -> None:
    scene = draw(name)
    texts = [text for panel in scene.containers for text in panel.texts] + list(scene.texts)
    for wire in scene.wires:
        for (x0, y0), (x1, y1) in pairwise(wire.points):
            assert abs(x0 - x1) < 0.01 or abs(y0 - y1) < 0.01, wire
            way = Rect(min(x0, x1) - 0.3, min(y0, y1) - 0.3, abs(x1 - x0) + 0.6, abs(y1 - y0) + 0.6)
            for key, rect in solid(scene):
                assert not overlap(way, rect, 1.0), (wire.tail, wire.end, key)
            for text in texts:
                assert not overlap(way, extent(text)), (wire.tail, wire.end, text.string)


def test_labels_of_arrows_do_not_cover_each_other(name: str) -> None:
    labels = [wire.label for wire in draw(name).wires if wire.label]
    for one, two in combinations(labels, 2):
        assert not overlap(extent(one), extent(two)), (one.string, two.string)


def test_labels_of_arrows_between_lanes_stand_between_lanes(name: str) -> None:
    scene = draw(name)
    for wire in scene.wires:
        if wire.label and wire.kind == "once":
            for lane in scene.lanes:
                assert not overlap(extent(wire.label), lane.rect), wire.label.string


def test_the_picture_has_a_sensible_shape(name: str) -> None:
    scene = draw(name)
    if name not in ("nothing", "hostile", "threads"):
        assert 0.6 < scene.width / scene.height < 2.3


def test_substituted_names_fit_as_well(name: str) -> None:
    scene = layout(graph(CASES[name]()), lambda text: tex_printable(printable(text)))
    for panel in scene.boxes:
        for text in panel.texts:
            assert inside(extent(text), panel.rect), text
