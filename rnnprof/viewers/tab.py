"""A tab of TensorBoard that shows runs: where their time went, side by side.

TensorBoard loads `Tab` by the entry point ``tensorboard_plugins``. Plugins of this kind are pages in
a frame (https://github.com/tensorflow/tensorboard/blob/master/ADDING_A_PLUGIN.md).
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from tensorboard.plugins import base_plugin

from rnnprof.errors import RnnprofError
from rnnprof.viewers.runs import Found, Runs

FILES = {
    "index.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "tables.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "host.js": "text/javascript; charset=utf-8",
    "tab.css": "text/css; charset=utf-8",
}
"""The page's own files; TensorBoard makes the page and loads ``index.js``."""

JSON = "application/json"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Nothing here is a page, but an SVG can be opened as one: it then may do nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Answer = tuple[str, str | bytes, int]
"""Type, content and status."""


class Tab(base_plugin.TBPlugin):  # type: ignore[misc]
    """The tab and its data.

    Args:
        context: what TensorBoard tells its plugins.
    """

    plugin_name = "rnnprof"

    def __init__(self, context: base_plugin.TBContext) -> None:
        # --logdir_spec and folders in the cloud are no folder to look into.
        folder = os.path.expanduser(context.logdir or "")
        self._runs = Runs(Path(folder)) if folder and "://" not in folder else None

    def is_active(self) -> bool:
        """Whether there is a run."""
        return self._runs is not None and self._runs.any()

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """How TensorBoard shows the tab."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="rnnprof")

    def get_plugin_apps(self) -> dict[str, Callable[..., Any]]:
        """The addresses under ``data/plugin/rnnprof``; whatever is not one of them is not found."""
        answers: dict[str, Callable[[Any], Answer]] = {
            f"/{name}": functools.partial(_file, name) for name in FILES
        }
        answers |= {"/runs": self._list, "/run": self._run, "/flowchart": self._flowchart, "/*": _nothing}
        return {route: functools.partial(_serve, answer) for route, answer in answers.items()}

    def _list(self, request: Any) -> Answer:
        """Names of the runs, and why some cannot be shown."""
        if self._runs is None:
            note = "rnnprof looks for runs in one folder on this machine: start with --logdir FOLDER."
            return _json({"runs": [], "note": note})
        listing = self._runs.listing()
        return _json({"runs": [_about(found) for found in listing.runs], "note": listing.note})

    def _run(self, request: Any) -> Answer:
        """What is shown of one run."""
        from rnnprof.viewers import shown

        found = self._find(request)
        if found is None or found.run is None:
            return _missing(found)
        return _json(shown.run(found.run, request.args.get("by", "step")))

    def _flowchart(self, request: Any) -> Answer:
        """Its flowchart."""
        from rnnprof.viewers import shown

        found = self._find(request)
        if found is None or found.run is None:
            return _missing(found)
        return "image/svg+xml", shown.flowchart(found.run, request.args.get("by", "step")), 200

    def _find(self, request: Any) -> Found | None:
        return self._runs.read(request.args.get("run", "")) if self._runs else None


def _about(found: Found) -> dict[str, Any]:
    run = found.run
    if run is None:
        return {"run": found.name, "error": found.error}
    rank = f"rank {run.rank} of {run.world_size}" if run.world_size > 1 else ""
    return {
        "run": found.name,
        "error": "",
        "created": run.created[:16].replace("T", " "),
        "ended": run.ended,
        "rank": rank,
        # Changes when the run was saved anew.
        "state": f"{run.created} {run.wall_ns} {run.ended}",
    }


def _missing(found: Found | None) -> Answer:
    return _json({"error": found.error if found else "there is no such run in the log directory"}, 404)


def _nothing(request: Any) -> Answer:
    return _json({"error": "there is nothing of that name"}, 404)


def _file(name: str, request: Any) -> Answer:
    place = resources.files("rnnprof.viewers").joinpath("static").joinpath("tab").joinpath(name)
    return FILES[name], place.read_bytes(), 200


def _json(content: dict[str, Any], status: int = 200) -> Answer:
    return JSON, json.dumps(content, allow_nan=False), status


def _serve(answer: Callable[[Any], Answer], environ: Any, start_response: Any) -> Any:
    """One WSGI application: also an error has all headers, and is one line."""
    from werkzeug.wrappers import Request, Response

    request = Request(environ)
    if request.method in ("GET", "HEAD"):
        try:
            kind, content, status = answer(request)
        except RnnprofError as error:
            kind, content, status = _json({"error": str(error)}, 400)
        except Exception as error:
            # One odd run must not take the others with it.
            kind, content, status = _json({"error": f"cannot be shown: {type(error).__name__}"}, 500)
    else:
        kind, content, status = _json({"error": "only to be read"}, 405)
    return Response(content, status, HEADERS, content_type=kind)(environ, start_response)
