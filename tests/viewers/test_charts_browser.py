"""Our charts alone, with data made by hand: what they draw is exactly what was given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("torch_tb_profiler")

from rnnprof.viewers.offline import scripts
from rnnprof.viewers.servers import KINDS, Page, Site

PAGE = """<!doctype html><meta charset="utf-8"><title>charts</title>
<script src="charts.js"></script>
<div style="width:600px"><div id="here"></div></div>
<script>
  window.asked = [];
  google.charts.load('current', {packages: ['corechart', 'table', 'timeline']}).then(() => {
    const {visualization} = google;
    window.table = (columns, rows) => {
      const made = new visualization.DataTable();
      columns.forEach((column) => made.addColumn(column));
      made.addRows(rows);
      return made;
    };
    window.show = (kind, data, options) => {
      const chart = new visualization[kind](document.getElementById('here'));
      ['ready', 'select', 'sort', 'page', 'onmouseover', 'onmouseout'].forEach((name) => (
        visualization.events.addListener(chart, name, (about) => asked.push([name, about]))));
      chart.draw(data, options);
      return window.chart = chart;
    };
    window.all = (selector) => [...document.querySelectorAll(`#here ${selector}`)];
    window.texts = (selector) => all(selector).map((node) => node.textContent);
    window.loaded = true;
  });
</script>
"""

TIP = "{type: 'string', role: 'tooltip', p: {html: 'true'}}"
NUMBER, STRING = "{type: 'number', label: '%s'}", "{type: 'string', label: '%s'}"
PAIRS = f"table([{STRING % 'Stage'}, {NUMBER % 'Time'}], %s)"
EVIL = "<img src=x onerror=\\'window.pwned = 1\\'>"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    pages = {f"/{route}": Page(contents, KINDS[".js"]) for route, contents in scripts().items()}
    one = Site({"/": Page(PAGE.encode(), KINDS[".html"]), **pages})
    yield one
    one.close()


@pytest.fixture
def page(browser: Any, site: Site) -> Iterator[Any]:
    browser.open(site.url)
    browser.wait("window.loaded")
    yield browser
    assert browser.asked_elsewhere() == []
    assert [error for error in browser.errors() if "favicon.ico" not in error] == []
    assert browser.driver.execute_script("return window.pwned") is None


def ask(page: Any, script: str) -> Any:
    return page.driver.execute_script(script)


def test_a_pie_has_a_slice_for_each_row_and_percents_where_they_fit(page: Any) -> None:
    data = (
        PAIRS
        % "[['forward', 50], ['backward', {v: 30, f: 'thirty'}], ['clip', 19.5], ['log', 0.5], ['none', 0]]"
    )
    ask(page, f"show('PieChart', {data}, {{height: 300, pieHole: 0.4}})")
    assert ask(page, "return all('.rnnprof-slice').length") == 4
    assert ask(page, "return texts('text')") == ["50.0%", "30.0%", "19.5%"]
    assert ask(page, "return texts('.rnnprof-legend > div')") == [
        "forward",
        "backward",
        "clip",
        "log",
        "none",
    ]
    assert ask(page, "return asked") == [["ready", None]]
    ask(page, "chart.setSelection([{row: 1}])")
    assert ask(page, "return texts('.google-visualization-tooltip')") == ["backwardthirty (30.0%)"]
    ask(page, "chart.setSelection([])")
    assert ask(page, "return texts('.google-visualization-tooltip')") == []


@pytest.mark.parametrize(
    ("text", "shown"), [("percentage", "25.0%"), ("value", "1,000"), ("both", "1,000 (25.0%)")]
)
def test_a_pie_says_what_is_asked_for(page: Any, text: str, shown: str) -> None:
    data = PAIRS % "[['a', 1000], ['b', 3000]]"
    ask(page, f"show('PieChart', {data}, {{height: 200, legend: 'none', tooltip: {{text: '{text}'}}}})")
    ask(page, "chart.setSelection([{row: 0}])")
    assert ask(page, "return texts('.google-visualization-tooltip')") == [f"a{shown}"]
    assert ask(page, "return all('.rnnprof-legend').length") == 0


def test_one_slice_is_a_whole_ring(page: Any) -> None:
    ask(page, f"show('PieChart', {PAIRS % '[[`only`, 7], [`none`, 0]]'}, {{height: 200, pieHole: 0.4}})")
    boxes = ask(
        page, "return all('.rnnprof-slice').map((one) => [one.getBBox().width, one.getBBox().height])"
    )
    assert boxes == [[176, 176]]
    assert ask(page, "return texts('text')") == ["100.0%"]


def test_the_pointer_over_a_slice_is_told_and_shows_nothing_where_that_waits(page: Any) -> None:
    options = "{height: 200, tooltip: {trigger: 'selection'}}"
    ask(page, f"show('PieChart', {PAIRS % '[[`a`, 1], [`b`, 3]]'}, {options})")
    ask(page, "all('.rnnprof-slice')[1].dispatchEvent(new MouseEvent('mouseover'))")
    assert ask(page, "return texts('.google-visualization-tooltip')") == []
    ask(page, "all('.rnnprof-slice')[1].dispatchEvent(new MouseEvent('mouseout'))")
    assert ask(page, "return asked.slice(1)") == [["onmouseover", {"row": 1}], ["onmouseout", {"row": 1}]]


def test_stacked_steps_stand_on_each_other(page: Any) -> None:
    columns = f"[{STRING % 'Step'}, {NUMBER % 'CPU'}, {TIP}, {NUMBER % 'Other'}, {TIP}]"
    evil = "<script>window.pwned=1</script>y"
    rows = f"[['3', 60, '<b>CPU</b><br>60', 40, 'o'], ['4', 30, '<i>x</i>', 20, '{evil}']]"
    options = "{height: 300, isStacked: true, vAxis: {title: 'us'}, legend: {position: 'bottom'}}"
    ask(page, f"show('SteppedAreaChart', table({columns}, {rows}), {options})")
    tops = ask(
        page, "return all('.rnnprof-bar').map((bar) => [+bar.getAttribute('y'), +bar.getAttribute('height')])"
    )
    (cpu, other), (cpu4, other4) = tops[:2], tops[2:]
    assert other[0] + other[1] == pytest.approx(cpu[0])
    assert [cpu4[1] / cpu[1], other[1] / cpu[1], other4[1] / cpu[1]] == pytest.approx([1 / 2, 2 / 3, 1 / 3])
    assert ask(page, "return texts('text')") == ["0", "20", "40", "60", "80", "100", "us", "3", "4"]
    assert ask(page, "return texts('.rnnprof-legend > div')") == ["CPU", "Other"]
    ask(page, "all('.rnnprof-bar')[0].dispatchEvent(new MouseEvent('mouseover'))")
    assert ask(page, "return all('.google-visualization-tooltip')[0].innerText") == "CPU\n60"
    ask(page, "all('.rnnprof-bar')[3].dispatchEvent(new MouseEvent('mouseover'))")
    assert ask(page, "return texts('.google-visualization-tooltip')") == ["y"]


def test_columns_and_lines_share_a_picture(page: Any) -> None:
    data = "google.visualization.arrayToDataTable([['x', 'a', 'b', 'c'], ['p', 1, 2, 300], ['q', 2, 4, 100]])"
    series, axes = "{2: {type: 'line', targetAxisIndex: 1}}", "{0: {maxValue: NaN}, 1: {}}"
    options = f"{{height: 300, seriesType: 'bars', series: {series}, vAxes: {axes}}}"
    ask(page, f"show('ComboChart', {data}, {options})")
    heights = ask(page, "return all('.rnnprof-bar').map((bar) => +bar.getAttribute('height'))")
    assert [height / heights[0] for height in heights] == pytest.approx([1, 2, 2, 4])
    assert ask(page, "return all('.rnnprof-point').length") == 2
    ask(page, "all('.rnnprof-bar')[2].dispatchEvent(new MouseEvent('click'))")
    assert ask(page, "return chart.getSelection()") == [{"row": 1, "column": 1}]
    assert ask(page, "return asked[asked.length - 1][0]") == "select"


def test_a_line_zooms_by_dragging_and_comes_back(page: Any) -> None:
    data = f"table([{NUMBER % 'Time'}, {NUMBER % 'Allocated'}], [[0, 1], [5, 3], [10, 2]])"
    explorer = "{actions: ['dragToZoom', 'rightClickToReset'], axis: 'horizontal'}"
    ask(page, f"show('LineChart', {data}, {{height: 300, explorer: {explorer}}})")
    ends = (
        "const layout = chart.getChartLayoutInterface(); const area = layout.getChartAreaBoundingBox();"
        "return [layout.getHAxisValue(area.left), layout.getHAxisValue(area.left + area.width)]"
    )
    assert ask(page, ends) == [0, 10]
    drag = """
      const cover = all('svg > rect').pop(); const box = cover.getBoundingClientRect();
      cover.setPointerCapture = () => {};
      const at = (name, share) => cover.dispatchEvent(new PointerEvent(name, {
        clientX: box.left + share * box.width, clientY: box.top + 5, button: 0, pointerId: 1}));
      at('pointerdown', 0.25); at('pointermove', 0.5); at('pointerup', 0.75);
    """
    ask(page, drag)
    assert ask(page, ends) == pytest.approx([2.5, 7.5])
    ask(page, "all('svg > rect').pop().dispatchEvent(new MouseEvent('contextmenu', {cancelable: true}))")
    assert ask(page, ends) == [0, 10]
    ask(page, "chart.setSelection([{row: 1, column: 1}])")
    assert ask(page, "return texts('.google-visualization-tooltip')") == ["5Allocated: 3"]


def test_a_table_sorts_by_a_click_and_turns_pages(page: Any) -> None:
    rows = "[['b', 2], ['a', 10], ['c', null], ['d', 1]]"
    options = "{page: 'enable', pageSize: 3, sortColumn: 1, sortAscending: false}"
    ask(page, f"show('Table', {PAIRS % rows}, {options})")
    assert ask(page, "return texts('td')") == ["a", "10", "b", "2", "d", "1"]
    assert ask(page, "return texts('th')") == ["Stage", "Time ▼"]
    assert ask(page, "return texts('span')") == ["1 of 2"]
    ask(page, "all('button')[1].click()")
    assert ask(page, "return texts('td')") == ["c", ""]
    ask(page, "all('th')[0].click()")
    assert ask(page, "return texts('td')") == ["a", "10", "b", "2", "c", ""]
    ask(page, "all('th')[0].click()")
    assert ask(page, "return texts('td')") == ["d", "1", "c", "", "b", "2"]
    assert [name for name, _ in ask(page, "return asked")] == ["ready", "page", "sort", "sort"]
    ask(page, "all('tbody tr')[0].click()")
    assert ask(page, "return chart.getSelection()") == [{"row": 3, "column": None}]


def test_names_are_text_everywhere(page: Any) -> None:
    data = PAIRS % f"[['{EVIL}', 1], ['b', 2]]"
    for kind in ("PieChart", "ColumnChart", "SteppedAreaChart", "LineChart", "Table"):
        ask(page, f"show('{kind}', {data}, {{height: 300, title: '{EVIL}', allowHtml: true, legend: {{}}}})")
        assert ask(page, "return all('img').length") == 0, kind
        assert ask(page, "return document.getElementById('here').textContent.includes('<img')"), kind


def test_a_timeline_has_a_bar_for_each_row_and_one_for_all_that_share_a_pixel(page: Any) -> None:
    columns = "['Layer', 'Name'].map((id) => ({type: 'string', id}))"
    data = f"[...{columns}, {{type: 'string', role: 'tooltip'}}, {NUMBER % ''}, {NUMBER % ''}]"
    rows = (
        "[['0', 'step', 'step <1>', 100, 200], ['1', 'forward', 'f', 100, 150],"
        " ['1', 'backward', 'b', 150, 200],"
        " ...Array.from({length: 5000}, (_, i) => ['2', 'tiny', 't', 100 + i / 5000, 100 + (i + 1) / 5000])]"
    )
    ask(page, f"show('Timeline', table({data}, {rows}), {{height: 150, timeline: {{showRowLabels: false}}}})")
    assert 3 < ask(page, "return all('.rnnprof-bar').length") < 20
    assert [text for text in ask(page, "return texts('text')") if text.isalpha()] == [
        "step",
        "forward",
        "backward",
    ]
    ask(page, "all('.rnnprof-bar')[0].dispatchEvent(new MouseEvent('mouseover'))")
    assert ask(page, "return texts('.google-visualization-tooltip')") == ["step <1>"]


def test_a_chart_follows_the_width_of_the_page(page: Any) -> None:
    ask(page, f"show('ColumnChart', {PAIRS % '[[`a`, 1]]'}, {{height: 200}})")
    assert ask(page, "return all('.rnnprof-chart')[0].clientWidth") == 600
    ask(page, "document.getElementById('here').parentElement.style.width = '500px'")
    page.wait("all('.rnnprof-chart')[0].clientWidth === 500")
    assert ask(page, "return all('.rnnprof-bar').length") == 1
    assert ask(page, "return asked") == [["ready", None]]


def test_an_empty_table_draws_an_empty_chart(page: Any) -> None:
    for kind in ("PieChart", "ColumnChart", "SteppedAreaChart", "LineChart", "Table"):
        ask(page, f"show('{kind}', {PAIRS % '[]'}, {{height: 200}})")
    ask(page, "chart.clearChart()")
    assert ask(page, "return document.getElementById('here').childNodes.length") == 0
