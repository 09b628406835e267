"""TensorBoard in this process, on the loopback, with everything that rnnprof has for it."""

from __future__ import annotations

import logging
import mimetypes
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnprof.errors import UsageError

if TYPE_CHECKING:
    from rnnprof.viewers.board import Keeper, Server

_RELOAD_SECONDS = 10


class Viewer:
    """A TensorBoard that runs.

    Args:
        server: its server.
        plugin: torch-tb-profiler's plugin, kept.
        folder: where it looks for runs.
        notices: lines for the user.
    """

    def __init__(self, server: Server, plugin: Keeper, folder: Path, notices: list[str]) -> None:
        self.url: str = server.get_url()
        self.notices = notices
        self._server = server
        self._plugin = plugin
        self._folder = folder
        self._ended = threading.Event()
        self._reloading = threading.Thread(target=self._reload, name="reload", daemon=True)
        self._reloading.start()

    def _reload(self) -> None:
        """See scalars that are written while it runs; TensorBoard's own thread for it never ends."""
        multiplexer = self._plugin.context.multiplexer
        while not self._ended.wait(_RELOAD_SECONDS):
            multiplexer.AddRunsFromDirectory(str(self._folder), None)
            multiplexer.Reload()

    def wait(self) -> None:
        """Return when it has been closed; a signal's exception passes through."""
        # Windows delivers Ctrl-C only between two waits.
        while not self._ended.wait(1):
            pass

    def close(self) -> None:
        """End it, its threads included; once more does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._server.close()
        if self._plugin.plugin is not None:
            self._plugin.plugin.close()
        self._reloading.join(5)


def serve(folder: Path, port: int = 0) -> Viewer:
    """Start TensorBoard in this process, bound to 127.0.0.1.

    Args:
        folder: the log directory, such as ``run.trace``.
        port: where to listen; 0 takes a free one.

    Returns:
        The running TensorBoard, with its address.

    Raises:
        UsageError: TensorBoard is not installed, there is no such folder, or the port is taken.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: give the one that holds the traces, such as run.trace")
    try:
        from tensorboard import program

        from rnnprof.viewers import board
    except ImportError as error:
        raise UsageError(
            f'TensorBoard cannot be loaded ({error}): pip install "rnnprof[tensorboard]"'
        ) from error
    from rnnprof.viewers.tab import Tab

    notices: list[str] = []
    plugin = board.Keeper(_torch_plugin(notices))
    servers: list[Any] = []

    def server_class(app: Any, flags: Any) -> Any:
        servers.append(board.Server(app, flags))
        return servers[0]

    # Pages of torch-tb-profiler are not as TensorBoard 3.0 may want them; nobody here can help it.
    logging.getLogger("tensorboard").addFilter(_is_news)
    mimetypes.add_type("text/javascript", ".js")  # some Windows machines say otherwise
    tensorboard = program.TensorBoard(
        plugins=[*board.installed_plugins(notices), Tab, plugin], server_class=server_class
    )
    # The fast loader is another program, which knows nothing of plugins in Python.
    tensorboard.configure(
        argv=("",),
        logdir=str(folder),
        host="127.0.0.1",
        port=port,
        load_fast="false",
        reload_interval=0,
        reload_task="blocking",
    )
    try:
        tensorboard.launch()
    except program.TensorBoardServerException as error:
        raise UsageError(f"port {port} cannot be used ({error.msg}): give another one") from error
    return Viewer(servers[0], plugin, folder, notices)


def _is_news(record: logging.LogRecord) -> bool:
    return record.module != "security_validator"


def _torch_plugin(notices: list[str]) -> Any:
    """torch-tb-profiler's plugin made to work offline, or None and a notice."""
    try:
        from rnnprof.viewers.offline import OfflinePlugin
    except ImportError as error:
        notices.append(
            "the views Overview, Operator, Trace, Memory and Module are missing: torch-tb-profiler cannot be "
            f'loaded ({error}): pip install "rnnprof[tensorboard]"'
        )
        return None
    return OfflinePlugin
