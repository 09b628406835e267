"""Flow charts in their four syntaxes: whole outputs, and what holds for any breakdown."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from flow_cases import CASES, HOSTILE, L, S, breakdown, needs
from golden_files import same_as_golden
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnprof.errors import UsageError
from rnnprof.renderers.flowchart import SYNTAXES, render
from rnnprof.renderers.flowchart.build import graph
from rnnprof.renderers.flowchart.escape import mermaid, tex, tex_printable
from rnnprof.renderers.flowchart.graph import groups, leaves
from rnnprof.renderers.flowchart.text import printable
from rnnprof.renderers.flowchart.theme import STOPS, contrast, heat, ink

ENDINGS = {"svg": "svg", "dot": "dot", "tikz": "tex", "mermaid": "mmd"}
EVERY = [(name, syntax) for name in CASES for syntax in SYNTAXES]
NAMES = st.text(max_size=30) | st.sampled_from(HOSTILE)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("name", ["lm"])
def test_the_example_is_drawn_as_before(name: str, syntax: str) -> None:
    same_as_golden(f"flow_{name}.{ENDINGS[syntax]}", render(CASES[name](), syntax))


def test_an_unknown_syntax_is_named_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match=r"'png'.*svg, dot, tikz, mermaid"):
        render(CASES["lm"](), "png")


@pytest.mark.parametrize(("name", "syntax"), EVERY)
def test_the_same_breakdown_gives_the_same_text(name: str, syntax: str) -> None:
    text = render(CASES[name](), syntax)
    assert text == render(CASES[name](), syntax)
    assert text.endswith("\n")


@pytest.mark.parametrize(("name", "syntax"), EVERY)
def test_every_printed_percentage_is_shown_as_it_is(name: str, syntax: str) -> None:
    result = CASES[name]()
    text = _readable(render(result, syntax), syntax)
    shown = [row for row in result.stages if row.share and row.depth <= 1]
    for row in shown:
        assert row.total_percent in text, row.path
    for lane in result.lanes:
        if result.by == "run" and lane.share:
            assert lane.percent in text


def _readable(text: str, syntax: str) -> str:
    """Undo the escapes that stand in numbers."""
    if syntax == "tikz":
        return text.replace(r"\%", "%").replace("$<$", "<").replace("$>$", ">")
    if syntax == "mermaid":
        return text.replace("#60;", "<").replace("#62;", ">")
    return text.replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize("name", CASES)
def test_boxes_add_up_to_their_container_and_lane(name: str) -> None:
    drawn = graph(CASES[name]())
    rows = CASES[name]().stages
    boxes = [box for lane in drawn.lanes for box, _ in leaves((*lane.flow, *lane.loose))]
    boxes += [lane.other for lane in drawn.lanes if lane.other]
    held = [group.own for lane in drawn.lanes for group in groups((*lane.flow, *lane.loose)) if group.own]
    total = sum(box.share or 0 for box in [*boxes, *held])
    assert total == pytest.approx(sum(row.share or 0 for row in rows))


def test_the_marked_stages_are_the_fewest_that_make_90_percent() -> None:
    drawn = graph(CASES["lm"]())
    names = {box.name for lane in drawn.lanes for box, _ in leaves(lane.flow) if box.key in drawn.hot}
    assert names == {"decoder", "backward"}
    hot = [edge for edge in drawn.edges if edge.kind == "hot"]
    assert len(hot) == 3


def test_a_step_as_basis_leaves_the_rest_without_shares() -> None:
    text = render(CASES["lm_step"](), "svg")
    assert "share of a training step" in text
    assert "share of the run" not in text
    assert ">553 ms<" in text


def test_without_an_evaluation_no_arrow_leads_to_it() -> None:
    text = render(CASES["no_evaluation"](), "svg")
    assert "end?" in text
    assert "evaluate" not in text
    assert "next epoch" not in text


def test_a_deeper_stage_is_counted() -> None:
    assert "+6 inside" in render(CASES["deep"](), "svg")


@pytest.mark.parametrize("name", CASES)
def test_svg_is_well_formed_and_harmless(name: str) -> None:
    text = render(CASES[name](), "svg")
    root = ET.fromstring(text)
    tags = {element.tag.rsplit("}")[-1] for element in root.iter()}
    assert not tags & {"script", "image", "use", "foreignObject", "a", "iframe"}
    assert root.get("role") == "img"
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert root[0].tag.endswith("title")
    assert root[1].tag.endswith("desc")
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_the_whole_of_a_shortened_name_is_in_the_tooltip() -> None:
    text = render(CASES["hostile"](), "svg")
    assert "a" * 200 in text
    assert "aaa…" in text


@pytest.mark.parametrize("name", CASES)
def test_graphviz_draws_it_without_a_warning(name: str) -> None:
    needs("dot")
    text = render(CASES[name](), "dot")
    done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stderr == b""
    ET.fromstring(done.stdout)


def test_graphviz_shows_a_backslash_as_it_is() -> None:
    needs("dot")
    text = render(CASES["hostile"](), "dot")
    done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True)
    shown = " ".join(word or "" for word in ET.fromstring(done.stdout).itertext())
    assert r"\N \G \E" in shown


@pytest.mark.parametrize("name", ["lm", "thirty", "deep", "wrapped", "three", "no_steps", "hostile"])
def test_graphviz_keeps_the_order_of_every_row(name: str) -> None:
    needs("dot")
    text = render(CASES[name](), "dot")
    done = subprocess.run(["dot", "-Tplain"], input=text.encode(), capture_output=True, check=True)
    words = [line.split() for line in done.stdout.decode().splitlines()]
    x = {line[1]: float(line[2]) for line in words if line and line[0] == "node"}
    for row in re.findall(r"\{rank=same; ([^}]*)\}", text):
        places = [x[node] for node in row.split("; ")]
        assert places == sorted(places), row


@pytest.mark.parametrize("name", ["lm", "deep", "wrapped", "hostile", "nothing"])
def test_latex_typesets_it_on_one_page(name: str, tmp_path: Path) -> None:
    needs("pdflatex")
    (tmp_path / "flow.tex").write_text(render(CASES[name](), "tikz"), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "flow.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "(1 page" in log
    assert "Missing character" not in log
    assert "Overfull" not in log


@settings(max_examples=25, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=6), NAMES)
def test_any_names_leave_the_output_well_formed(names: list[str], lane: str) -> None:
    inner = tuple(S(name, 1 + at) for at, name in enumerate(names))
    result = breakdown(
        (L(lane, outside=(S(names[0], 1, inner),)), L("train", 3, (S(names[-1], 2, inner), *inner)))
    )
    ET.fromstring(render(result, "svg"))
    document = render(result, "tikz")
    assert all(len(line) < 300 for line in document.splitlines())
    assert document.isprintable() or document.replace("\n", "").isprintable()
    assert document.isascii() or all(ord(char) < 0x180 for char in document)
    assert _balanced(render(result, "dot"))
    for line in render(result, "mermaid").splitlines():
        assert line.count('"') % 2 == 0, line
        assert re.match(
            r'  +(\w+[\[{]"|subgraph \w+\["|end$|\w+ [-=.]+>|classDef|class|style|linkStyle)', line
        ) or (line == "flowchart TB"), line


def _balanced(text: str) -> bool:
    """Whether quotes end on their line and angle brackets of HTML labels match, outside quotes."""
    depth = 0
    for line in text.splitlines():
        rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
        if '"' in rest:
            return False
        rest = rest.replace("->", "")
        depth += rest.count("<") - rest.count(">")
    return depth == 0


@given(NAMES)
def test_no_character_of_a_name_keeps_a_meaning_in_tex(name: str) -> None:
    escaped = tex(tex_printable(printable(name)))
    left = escaped.replace("%\n", "").replace(r"$\backslash$", "").replace(r"\^{}", "").replace(r"\~{}", "")
    left = re.sub(r"\$(<|>|\||\\\{|\\\}|\\times|\\cdot|\\mu|\\to|\\pm)\$|\\[$&#%_]", "", left)
    left = re.sub(r"\{\\(char96|dots|ss|ae|AE|oe|OE|o|O|l|L|.\{(\\i|\\j|[A-Za-z])\})\}|\{('+|-+)\}", "", left)
    assert not re.search(r"[\\{}$&#^_~%]", left), escaped
    assert left.isascii()


@given(NAMES)
def test_no_character_of_a_name_keeps_a_meaning_in_mermaid(name: str) -> None:
    assert re.fullmatch(r"(?:[\w .,…×]|[^\x00-\x7f]|#\d+;)*", mermaid(printable(name)))


def test_ink_is_readable_on_every_colour_of_the_scale() -> None:
    for share in range(1001):
        fill = heat(share / 1000)
        assert contrast(fill, ink(fill)) >= 4.5
    assert heat(0) == STOPS[0]
    assert heat(1) == STOPS[-1]
    assert heat(None) == "FFFFFF"
