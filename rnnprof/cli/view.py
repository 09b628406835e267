"""``rnnprof view``: a run and its traces in TensorBoard, Perfetto, speedscope or snakeviz."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from rnnprof.cli import output
from rnnprof.errors import UsageError
from rnnprof.units import visible
from rnnprof.viewers.choice import CONTENTS, VIEWERS, Choice, choose
from rnnprof.viewers.servers import Viewer

NAMES = {"tensorboard": "TensorBoard", "perfetto": "Perfetto"}
"""As their makers write them, where the option does not."""

TAB = "#rnnprof"
"""Where TensorBoard opens where there is a run: at the tab of this package."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the subcommand.

    Args:
        parser: the subcommand's own parser.
    """
    parser.epilog = (
        "The viewers reach no network, and no other machine reaches them. A .prof file is marshal data, "
        "which can crash Python if it was made for that: open only what this tool or you yourself made."
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="the run, its folder of traces, one trace, or a .prof file"
    )
    parser.add_argument(
        "--in",
        dest="viewer",
        choices=VIEWERS,
        help="default: TensorBoard for a run, Perfetto for a trace (speedscope where it is not "
        "installed), snakeviz for a .prof file",
    )
    contents = "; ".join(f"{name}: {meaning}" for name, meaning in CONTENTS.items())
    parser.add_argument("--what", choices=tuple(CONTENTS), help=f"what of a run is opened. {contents}")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="default: a free one")
    parser.add_argument("--no-browser", action="store_true", help="print the address alone")


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        args: what :func:`add_arguments` declares.

    Returns:
        The exit code 0.

    Raises:
        RnnprofError: there is nothing to show, the viewer is not installed, or the port is taken.
    """
    output.need_stdout()
    if not 0 <= args.port <= 65535:
        raise UsageError(f"--port {args.port}: give a number from 1 to 65535, or none for a free one")
    choice = choose(args.file, args.viewer, args.what)
    with contextlib.suppress(KeyboardInterrupt), _ended_by_signals(), contextlib.ExitStack() as closing:
        notices = list(choice.notices)
        viewer, address = _open(choice, args.port, notices, closing)
        closing.callback(viewer.close)
        for notice in (*notices, *viewer.notices):
            print(f"rnnprof: {visible(notice)}", file=sys.stderr)
        shown = f"{NAMES.get(choice.viewer, choice.viewer)} shows {visible(str(choice.file))}"
        output.say(f"{shown}: {address} (Ctrl-C ends it)\n")
        sys.stdout.flush()
        if not args.no_browser and _has_display():
            webbrowser.open(address)
        viewer.wait()
    return 0


def _open(choice: Choice, port: int, notices: list[str], closing: contextlib.ExitStack) -> tuple[Viewer, str]:
    """The viewer and the address to open in it; each is loaded only where it is needed."""
    if choice.viewer == "tensorboard":
        return _tensorboard(choice.file, port, notices, closing)
    viewer: Viewer
    if choice.viewer == "perfetto":
        from rnnprof.viewers import perfetto

        viewer = perfetto.serve(choice.file, port)
    elif choice.viewer == "speedscope":
        from rnnprof.viewers import speedscope

        viewer = speedscope.serve(choice.file, port)
    else:
        from rnnprof.viewers import snakeviz

        viewer = snakeviz.serve(choice.file, port)
    return viewer, viewer.url


def _tensorboard(
    file: Path, port: int, notices: list[str], closing: contextlib.ExitStack
) -> tuple[Viewer, str]:
    if find_spec("tensorboard") is None:
        raise UsageError('TensorBoard is not installed: pip install "rnnprof[tensorboard]"')
    from rnnprof.viewers import tensorboard
    from rnnprof.viewers.logdir import logdir
    from rnnprof.viewers.runs import Runs

    folder = closing.enter_context(logdir(file, notices))
    viewer = tensorboard.serve(folder, port)
    return viewer, viewer.url + (TAB if Runs(folder).any() else "")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have SIGTERM, and a terminal that is closed, do what Ctrl-C does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {end: signal.signal(end, signal.default_int_handler) for end in ends}
    try:
        yield
    finally:
        for end, handler in before.items():
            signal.signal(end, handler)


def _has_display() -> bool:
    """Whether a browser would have a window; without one a text browser would take the terminal."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
