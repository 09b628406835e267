"""snakeviz on one file: its page, filled, and drawn in a browser without a network."""

from __future__ import annotations

import contextlib
import cProfile
import http.client
import marshal
from pathlib import Path
from typing import Any

import pytest

from rnnprof.errors import UsageError
from rnnprof.viewers import snakeviz
from rnnprof.viewers.choice import choose

HOSTILE = "</script><script>document.title='taken'</script>"


def inner(size: int) -> int:
    return sum(number * number for number in range(size))


def outer() -> int:
    return sum(inner(size) for size in range(200))


@pytest.fixture
def statistics(tmp_path: Path) -> Path:
    file = tmp_path / "run.prof"
    profiler = cProfile.Profile()
    profiler.runcall(outer)
    profiler.dump_stats(file)
    return file


def test_snakeviz_draws_the_functions_without_a_network(statistics: Path, browser: Any) -> None:
    with contextlib.closing(snakeviz.serve(statistics)) as viewer:
        browser.open(viewer.url)
        drawn = "Array.from(document.querySelectorAll('#chart svg text'), text => text.textContent)"
        browser.wait(f"document.querySelectorAll('#chart svg rect').length > 3 && {drawn}.length > 1")
        names = " ".join(browser.driver.execute_script(f"return {drawn}"))
        assert "(outer)" in names
        assert "(inner)" in names
        assert "(inner)" in browser.driver.execute_script(
            "return document.querySelector('#pstats-table tbody').innerText"
        )
        assert browser.asked_elsewhere() == []
        assert browser.errors() == []


def test_snakeviz_draws_a_run(traced_run: Path, browser: Any) -> None:
    with contextlib.closing(snakeviz.serve(choose(traced_run, "snakeviz").file)) as viewer:
        browser.open(viewer.url)
        browser.wait("document.querySelectorAll('#chart svg rect').length > 3")
        table = browser.driver.execute_script("return document.querySelector('#pstats-table').innerText")
        for name in ("run_backward", "torch.lstm", "tiny_lstm.py"):
            assert name in table
        assert browser.asked_elsewhere() == []


def test_a_name_cannot_end_the_script(tmp_path: Path, browser: Any) -> None:
    file = tmp_path / "hostile.prof"
    caller, called = ("a.py", 1, HOSTILE), ("b.py", 2, "'\"\\\u2028\U0001f600")
    file.write_bytes(
        marshal.dumps({caller: (1, 1, 0.5, 1.0, {}), called: (1, 1, 0.5, 0.5, {caller: (1, 1, 0.5, 0.5)})})
    )
    with contextlib.closing(snakeviz.serve(file)) as viewer:
        browser.open(viewer.url)
        browser.wait("document.querySelectorAll('#chart svg rect').length > 1")
        table = browser.driver.execute_script("return document.querySelector('#pstats-table').innerText")
        assert HOSTILE in table
        assert browser.driver.title == "hostile"
        assert browser.errors() == []


def test_no_other_file_is_opened(statistics: Path) -> None:
    with contextlib.closing(snakeviz.serve(statistics)) as viewer:
        for path in (
            f"/snakeviz/{statistics}",
            f"/snakeviz/{statistics.parent}",
            "/snakeviz/%2F",
            "/static/",
        ):
            connection = http.client.HTTPConnection("127.0.0.1", viewer.port)
            connection.request("GET", path)
            assert connection.getresponse().status == 404
            connection.close()


@pytest.mark.parametrize(
    "content", [b"", b"text", marshal.dumps([1]), marshal.dumps({}), marshal.dumps({("a", 1, "b"): 1})]
)
def test_what_is_no_statistics(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "wrong.prof"
    file.write_bytes(content)
    with pytest.raises(UsageError) as error:
        snakeviz.serve(file)
    assert str(error.value) == f"{file} holds no statistics of cProfile, or another Python's"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        snakeviz.serve(tmp_path / "none.prof")
    assert str(error.value) == f"cannot read {tmp_path / 'none.prof'}: No such file or directory"
