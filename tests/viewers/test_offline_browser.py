"""torch-tb-profiler's views, in a real browser without a network, on the traces of a real run."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorboard")
pytest.importorskip("torch_tb_profiler")

from rnnprof.viewers import tensorboard

STAGES = {"get_batch", "forward", "loss", "backward", "clip", "update"}
PLUGIN = "data/plugin/pytorch_profiler/index.html"

TEXTS = "[...document.querySelectorAll('%s')].map((node) => node.textContent)"
CHOSEN = "[...document.querySelectorAll('.MuiSelect-root')].map((node) => node.textContent)"
PICTURES = os.environ.get("RNNPROF_PICTURES")


@pytest.fixture(scope="module")
def viewer(traced_run: Path) -> Iterator[tensorboard.Viewer]:
    with contextlib.closing(tensorboard.serve(traced_run.with_suffix(".trace"))) as one:
        yield one


@pytest.fixture
def page(browser: Any, viewer: tensorboard.Viewer) -> Iterator[Any]:
    """The plugin's page on the first run."""
    with opened(browser, viewer) as one:
        yield one


@contextlib.contextmanager
def opened(browser: Any, viewer: tensorboard.Viewer) -> Iterator[Any]:
    """The plugin's page on its first view; it must ask nobody else and complain of nothing."""
    browser.open(viewer.url + PLUGIN)
    browser.wait("document.body.innerText.includes('Execution Summary')")
    yield browser
    assert browser.asked_elsewhere() == []
    assert complaints(browser) == []


def complaints(browser: Any) -> list[str]:
    """Errors on the console; TensorBoard has no icon for pages that are opened outside its frame."""
    return [error for error in browser.errors() if "favicon.ico" not in error]


def choose(page: Any, view: str) -> None:
    """Take a view from the list on the left."""
    boxes = "[...document.querySelectorAll('.MuiSelect-root')]"
    press = "new MouseEvent('mousedown', {bubbles: true, button: 0})"
    page.driver.execute_script(
        f"{boxes}.find((box) => box.textContent === 'Overview').dispatchEvent({press})"
    )
    item = (
        f"[...document.querySelectorAll('li.MuiMenuItem-root')].find((one) => one.textContent === '{view}')"
    )
    page.wait(item).click()
    page.wait(f"{CHOSEN}.includes('{view}') && !document.querySelector('li.MuiMenuItem-root')")


def keep(page: Any, name: str) -> None:
    """A screenshot for the documentation, where one is wanted."""
    if PICTURES:
        # What is drawn in steps comes to rest meanwhile.
        page.wait(
            "(window.since = window.since || performance.now()) && performance.now() - window.since > 3000"
        )
        page.picture(Path(PICTURES) / f"tensorboard-{name}.png")


def test_overview_shows_the_steps_and_where_their_time_went(page: Any) -> None:
    page.wait("document.querySelectorAll('.rnnprof-slice').length")
    rows = page.driver.execute_script(f"return {TEXTS % '.rnnprof-table tbody tr td:first-child'}")
    assert rows == ["Average Step Time", "DataLoader", "CPU Exec", "Other"]
    bars = page.driver.execute_script("return document.querySelectorAll('svg .rnnprof-bar').length")
    assert bars == 3 * 3
    assert "CPU Exec" in page.driver.execute_script(f"return {TEXTS % '.rnnprof-legend > div'}")
    keep(page, "overview")


def test_operator_lists_our_stages_among_the_operators(page: Any) -> None:
    choose(page, "Operator")
    page.wait("document.querySelectorAll('.rnnprof-slice').length > 10")
    names = f"{TEXTS % '.ant-table-tbody tr td:first-child'}"
    page.wait(f"{names}.length")
    seen = set(page.driver.execute_script(f"return {names}"))
    next_page = ".ant-pagination-next:not(.ant-pagination-disabled)"
    keep(page, "operator")
    while page.driver.execute_script(f"return !!document.querySelector('{next_page}')"):
        page.driver.execute_script(f"document.querySelector('{next_page} button').click()")
        seen |= set(page.driver.execute_script(f"return {names}"))
    assert seen >= STAGES
    assert any(name.startswith("aten::") for name in seen)
    legends = set(page.driver.execute_script(f"return {TEXTS % '.rnnprof-legend > div'}"))
    assert legends & STAGES


def test_trace_shows_steps_and_stages(page: Any) -> None:
    choose(page, "Trace")
    viewer = "(document.querySelector('iframe').contentDocument || document).querySelector('#trace-viewer')"
    page.wait(f"document.querySelector('iframe') && !!({viewer} && {viewer}.model)")
    threads = f"Object.values({viewer}.model.processes).flatMap((one) => Object.values(one.threads))"
    slices = f"{threads}.flatMap((one) => one.sliceGroup.slices.map((slice) => slice.title))"
    seen = set(page.driver.execute_script(f"return {slices}"))
    assert seen >= STAGES
    assert len([name for name in seen if name.startswith("ProfilerStep#")]) == 3
    keep(page, "trace")


def test_memory_draws_its_curve_and_zooms(page: Any) -> None:
    choose(page, "Memory")
    page.wait("document.querySelectorAll('.rnnprof-line').length === 2")
    assert "Peak Memory Usage" in page.text()
    ticks = f"{TEXTS % 'svg text'}.join()"
    before = page.driver.execute_script(f"return {ticks}")
    keep(page, "memory")
    page.driver.execute_script("""
      const cover = [...document.querySelectorAll('.rnnprof-chart svg > rect')].pop();
      const box = cover.getBoundingClientRect();
      cover.setPointerCapture = () => {};
      const at = (name, share) => cover.dispatchEvent(new PointerEvent(name, {
        clientX: box.left + share * box.width, clientY: box.top + 5, button: 0, pointerId: 1}));
      at('pointerdown', 0.25); at('pointermove', 0.4); at('pointerup', 0.5);
    """)
    assert page.driver.execute_script(f"return {ticks}") != before
    # The tables below follow: they are asked for again, for that time alone.
    page.wait("performance.getEntriesByType('resource').some((one) => one.name.includes('start_ts='))")


def test_module_shows_the_model_and_the_calls_over_time(browser: Any, run_with_modules: Path) -> None:
    with contextlib.closing(tensorboard.serve(run_with_modules.with_suffix(".trace"))) as viewer:
        with opened(browser, viewer) as page:
            choose(page, "Module")
            page.wait("document.querySelectorAll('.rnnprof-bar').length")
            bars = "[...document.querySelectorAll('.rnnprof-bar')].map((bar) => bar.dataset.name)"
            assert {"forward", "backward"} <= set(page.driver.execute_script(f"return {bars}"))
            modules = page.driver.execute_script(f"return {TEXTS % '.ant-table-tbody td:first-child'}")
            assert {"Model_0", "CrossEntropyLoss_0"} <= set(modules)
            keep(page, "module")


@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")  # the plugin's way with pandas
def test_distributed_shows_each_rank(browser: Any, tmp_path: Path) -> None:
    for rank in range(2):
        write_rank(tmp_path, rank)
    with contextlib.closing(tensorboard.serve(tmp_path)) as viewer, opened(browser, viewer) as page:
        choose(page, "Distributed")
        page.wait("document.querySelectorAll('.rnnprof-bar').length === 2 * 4 + 2 * 2")
        words = page.driver.execute_script(f"return {TEXTS % '.rnnprof-chart'}.join()")
        assert all(word in words for word in ("rank0", "rank1", "Computation", "Data Transfer Time"))
        cells = page.driver.execute_script(f"return {TEXTS % '.rnnprof-table td'}")
        assert cells[:2] == ["nccl:all_reduce", "2"]


def write_rank(folder: Path, rank: int) -> None:
    """Two steps on a device, with a stage and an exchange between two ranks, as torch writes them."""
    events: list[dict[str, Any]] = []
    for step in range(2):
        start = 10_000 * step
        about = {"ph": "X", "pid": 1, "tid": 1}
        name = f"ProfilerStep#{step}"
        events.append({**about, "cat": "user_annotation", "name": name, "ts": start, "dur": 9000})
        for place, (name, kernel) in enumerate([("forward", "gemm"), ("nccl:all_reduce", "ncclKernel")]):
            number, at = 10 * step + place, start + 100 + 4000 * place
            ids = {"External id": number, "correlation": number}
            sizes = {"Input Dims": [[100]], "Input type": ["float"]}
            device = {**ids, "device": 0, "stream": 7, "grid": [1, 1, 1], "block": [128, 1, 1]}
            events += [
                {**about, "cat": "cpu_op", "name": name, "ts": at, "dur": 900, "args": {**ids, **sizes}},
                {**about, "cat": "runtime", "name": "cudaLaunchKernel", "ts": at + 10, "dur": 9, "args": ids},
                {
                    **about,
                    "cat": "kernel",
                    "name": kernel,
                    "pid": 0,
                    "ts": at + 99,
                    "dur": 600,
                    "args": device,
                },
            ]
    about_job = {"backend": "nccl", "rank": rank, "world_size": 2}
    gpu = {"id": 0, "name": "GPU", "totalGlobalMem": 1 << 34, "computeMajor": 9, "computeMinor": 0}
    trace = {
        "schemaVersion": 1,
        "distributedInfo": about_job,
        "deviceProperties": [gpu],
        "traceEvents": events,
    }
    file = folder / f"rank{rank}.1700000000000.pt.trace.json.gz"
    file.write_bytes(gzip.compress(json.dumps(trace).encode()))


def test_the_front_page_asks_nobody_else(browser: Any, viewer: tensorboard.Viewer) -> None:
    browser.open(viewer.url)
    browser.wait("document.querySelector('tb-webapp') && document.body.innerText.includes('INACTIVE')")
    assert browser.asked_elsewhere() == []
    assert complaints(browser) == []
