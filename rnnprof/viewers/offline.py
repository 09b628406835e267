"""torch-tb-profiler's TensorBoard plugin, as it is installed, made to work without a network.

Two of its pages load a script from elsewhere, and spin for ever where that fails: Google's chart loader
and a polyfill of web components. This subclass serves the same pages with the two addresses replaced
by stand-ins from the package: charts of our own, and npm's webcomponents.js. It parses traces in threads
of this process, where the plugin starts processes that a killed server leaves behind.

It is imported only where torch-tb-profiler is installed.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch_tb_profiler import consts, utils
from torch_tb_profiler import plugin as original
from torch_tb_profiler.io import cache
from torch_tb_profiler.profiler import loader
from werkzeug import wrappers

_log = logging.getLogger(__name__)

STAND_INS = {
    "index.html": ("https://www.gstatic.com/charts/loader.js", "charts.js"),
    "trace_embedding.html": (
        "https://cdnjs.cloudflare.com/ajax/libs/webcomponentsjs/0.7.24/webcomponents.min.js",
        "webcomponents.min.js",
    ),
}
"""The address that a page of the plugin asks for, and the route that we give it instead."""

# The pages carry their scripts inline and compile templates; what they may not do is to ask elsewhere.
_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'"


def localised(name: str, page: str) -> str:
    """A page of the plugin with its external script replaced by the local one.

    Args:
        name: the page's file name.
        page: its text.

    Returns:
        The text; unchanged, with a line in the log, where the address is not in it.
    """
    address, route = STAND_INS[name]
    if f'src="{address}"' not in page:
        _log.warning("torch-tb-profiler's %s does not load %s: it is served unchanged", name, address)
    return page.replace(f'src="{address}"', f'src="{route}"')


def scripts() -> dict[str, bytes]:
    """The scripts that stand in for what is elsewhere: route without the slash → contents."""
    static = resources.files("rnnprof.viewers") / "static"
    charts = (static / "charts").iterdir()
    return {
        "charts.js": (static / "charts.js").read_bytes(),
        **{f"charts/{file.name}": file.read_bytes() for file in charts if file.name.endswith(".js")},
        "webcomponents.min.js": (static / "webcomponents" / "webcomponents.min.js").read_bytes(),
    }


class _Manager:
    """As much of a multiprocessing manager as the plugin's cache uses, for threads."""

    dict = dict

    def __exit__(self, *_: object) -> None: ...


def _load_in_threads() -> None:
    """Let the plugin parse in threads: nothing can then outlive this process, however it ends."""
    loader.Process = partial(threading.Thread, daemon=True)
    loader.Queue = queue.Queue
    cache.mp = SimpleNamespace(Lock=threading.Lock, Manager=_Manager)


def _answer(contents: Callable[[], bytes], kind: str, policy: str = "default-src 'none'") -> Any:
    """A WSGI application that answers one address."""

    def answer(environ: Any, start_response: Any) -> Any:
        headers = [("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", policy)]
        response = wrappers.Response(contents(), content_type=f"{kind}; charset=utf-8", headers=headers)
        return response(environ, start_response)

    return answer


def _one_line(record: logging.LogRecord) -> bool:
    """Keep what could not be read, without its traceback; the rest speaks to the plugin's makers."""
    record.exc_info = record.exc_text = None
    return record.levelno > logging.WARNING or record.getMessage().startswith("Failed")


class OfflinePlugin(original.TorchProfilerPlugin):  # type: ignore[misc]
    """The plugin, asking nothing of any other machine.

    Args:
        context: TensorBoard's.
    """

    def __init__(self, context: Any) -> None:
        _load_in_threads()
        logger = utils.get_logger()
        logger.setLevel(logging.WARNING)
        logger.addFilter(_one_line)
        self._closing = threading.Event()
        self._settled = False
        self._runs: OrderedDict[str, Any] = OrderedDict()
        super().__init__(context)
        self._watching = threading.Thread(target=self._watch, name="traces", daemon=True)
        self._watching.start()

    def get_plugin_apps(self) -> dict[str, Any]:
        """The plugin's routes, ours in the place of some."""
        apps: dict[str, Any] = super().get_plugin_apps()
        for name in STAND_INS:
            if f"/{name}" in apps:
                apps[f"/{name}"] = _answer(partial(self._page, name), "text/html", _POLICY)
        for route, contents in scripts().items():
            apps[f"/{route}"] = _answer(partial(bytes, contents), "text/javascript")
        return apps

    def _page(self, name: str) -> bytes:
        file = Path(original.__file__).parent / "static" / name
        return localised(name, file.read_text(encoding="utf-8")).encode()

    @property
    def is_loading(self) -> bool:
        """Whether there may be more traces than have been read."""
        return not self._settled

    def _monitor_runs(self) -> None:
        """The plugin's own thread for this would never end: there is nothing to do in it."""

    _receive_runs = _monitor_runs

    def _watch(self) -> None:
        """Read each folder of traces, and again when its files change: ranks may come one by one."""
        known: dict[str, frozenset[tuple[str, int, int]]] = {}
        while not self._closing.is_set():
            new = []
            for folder in list(self._get_run_dirs()):
                files = _traces(Path(folder))
                if known.get(folder) != files:
                    known[folder] = files
                    new.append(folder)
            self._settled = not new
            for folder in new:
                if not self._closing.is_set():
                    self._load(folder)
            self._settled = True
            self._closing.wait(consts.MONITOR_RUN_REFRESH_INTERNAL_IN_SECONDS)

    def _load(self, folder: str) -> None:
        with self._load_lock:
            self._load_threads.append(threading.current_thread())  # the plugin takes it out again
        self._load_run(folder)
        while not self._queue.empty():  # it is empty where the folder could not be read
            run = self._queue.get()
            with self._runs_lock:
                self._runs[run.name] = run
                self._runs = OrderedDict(sorted(self._runs.items()))

    def close(self) -> None:
        """End the plugin's thread; a trace that is being read is waited for, for five seconds at most."""
        self._closing.set()
        self._watching.join(5)


def _traces(folder: Path) -> frozenset[tuple[str, int, int]]:
    """The traces in a folder: name, time of change, size."""
    found = set()
    with contextlib.suppress(OSError):  # what goes away meanwhile is not there
        for file in folder.iterdir():
            if utils.is_chrome_trace_file(file.name) and file.is_file():
                state = file.stat()
                found.add((file.name, state.st_mtime_ns, state.st_size))
    return frozenset(found)
