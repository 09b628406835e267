"""The parts of a TensorBoard that can be ended: its server, and its plugins with ours among them.

It is imported only where TensorBoard is installed.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from importlib import metadata
from typing import Any

from tensorboard import default, program
from tensorboard.plugins import base_plugin

from rnnprof.viewers.servers import is_local

HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]


class Server(program.WerkzeugServer):  # type: ignore[misc]
    """TensorBoard's server, which also ends the connections that browsers keep open.

    Args:
        wsgi_app: TensorBoard's application.
        flags: its settings.
    """

    def __init__(self, wsgi_app: Any, flags: Any) -> None:
        self._open: dict[threading.Thread, socket.socket] = {}
        self._serving: threading.Thread | None = None

        def answer(environ: Any, start_response: Any) -> Any:
            if is_local(environ.get("HTTP_HOST", "")):
                return wsgi_app(environ, start_response)
            start_response("403 Forbidden", [*HEADERS, ("Content-Length", "0")])
            return []

        super().__init__(answer, flags)

    def serve_forever(self, *args: Any, **kwargs: Any) -> None:
        """Serve, in TensorBoard's thread, until it is shut down."""
        self._serving = threading.current_thread()
        super().serve_forever(*args, **kwargs)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, in a thread of its own."""
        self._open[threading.current_thread()] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._open[threading.current_thread()]

    def close(self) -> None:
        """Stop listening, end every connection, and wait for their threads."""
        self.shutdown()
        self.server_close()
        if self._serving is not None:
            # It has answered that it ends, and is about to.
            self._serving.join(5)
        for thread, connection in list(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(5)


class Keeper(base_plugin.TBLoader):  # type: ignore[misc]
    """Loads a plugin and keeps it, with the context that it was given.

    Args:
        plugin: the plugin's class, or None to keep the context alone.
    """

    def __init__(self, plugin: Any = None) -> None:
        self._class = plugin
        self.plugin: Any = None
        self.context: Any = None

    def load(self, context: Any) -> Any:
        """TensorBoard asks for the plugin."""
        self.context = context
        if self._class is not None:
            self.plugin = self._class(context)
        return self.plugin


def installed_plugins(notices: list[str]) -> list[Any]:
    """TensorBoard's own plugins and those that other packages bring; one that fails to load is left out.

    Args:
        notices: lines for the user are added here.
    """
    plugins: list[Any] = default.get_static_plugins()
    for entry in metadata.entry_points(group="tensorboard_plugins"):
        if entry.value.startswith(("torch_tb_profiler.", "rnnprof.")):
            continue
        try:
            plugins.append(entry.load())
        except Exception as error:  # any package may be broken in any way
            notices.append(f"the TensorBoard plugin {entry.name} cannot be loaded: {error}")
    return plugins
