"""A web server that shows a fixed set of pages to this machine alone.

What it serves is a table of addresses, made beforehand: no part of a request is ever turned into a
path. Pages of other sites are kept out by the Host header (DNS rebinding), and no page of ours can
reach another site: the content security policy says so to the browser.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socketserver
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol

from rnnprof.errors import UsageError

LOOPBACK = "127.0.0.1"

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The viewers make code and workers as they run; nothing of it may leave this machine.
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; "
    "form-action 'none'; frame-ancestors 'none'",
}
"""Sent with every answer, errors included."""

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}
"""Media types by the ending of a file's name; the system's own table differs between machines."""


@dataclass(frozen=True)
class Page:
    """What one address answers.

    Args:
        content: the body, or the file that is read at each request.
        kind: its media type.
    """

    content: bytes | Path
    kind: str


class Viewer(Protocol):
    """Something that shows a run in a browser until it is closed."""

    @property
    def url(self) -> str:
        """The address to open."""

    @property
    def notices(self) -> Sequence[str]:
        """What the user should know, a line each."""

    def wait(self) -> None:
        """Return when the viewer has been closed; a signal's exception passes through."""

    def close(self) -> None:
        """Stop serving, and leave nothing behind."""


class Site:
    """A viewer that serves a table of pages from this process.

    Args:
        pages: what each address answers; an address begins with ``/`` and is matched exactly,
            without its query.
        start: the address to open, with its fragment.
        port: where to listen; 0 for a free port.
        notices: what the user should know, a line each.

    Raises:
        UsageError: the port is taken or not allowed.
    """

    def __init__(
        self, pages: Mapping[str, Page], start: str = "/", port: int = 0, notices: Iterable[str] = ()
    ) -> None:
        self.notices = tuple(notices)
        try:
            self._server = _Server(dict(pages), port)
        except OSError as error:
            raise UsageError(_why_not(port, error)) from None
        self.port = int(self._server.server_address[1])
        self.url = f"http://{LOOPBACK}:{self.port}{start}"
        self._closed = threading.Event()
        # A short interval, so that closing does not wait.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when the site has been closed; a signal's exception passes through."""
        # Windows delivers Ctrl-C only between two waits.
        while not self._closed.wait(1):
            pass

    def close(self) -> None:
        """Stop serving and free the port; once more does nothing."""
        if not self._closed.is_set():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._closed.set()


def page_of(file: Path) -> Page:
    """A file as a page.

    Args:
        file: where it is.

    Returns:
        The page, with the media type of the file's ending.
    """
    return Page(file, KINDS.get(file.suffix, "application/octet-stream"))


def pages_in(folder: Path) -> dict[str, Page]:
    """The files of a folder that belongs to an installed package.

    Args:
        folder: where they are, in folders below it too.

    Returns:
        Each file as a page, by its address: ``/`` and its path in the folder.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {f"/{file.relative_to(folder).as_posix()}": page_of(file) for file in files}


def is_local(host: str) -> bool:
    """Whether a request's Host header names this machine.

    Another site whose name was made to point here would send its own name (DNS rebinding).

    Args:
        host: the header.

    Returns:
        True for ``127.0.0.1`` and ``localhost`` with any port: a tunnel may begin at another one.
    """
    name, _, port = host.lower().partition(":")
    return name in (LOOPBACK, "localhost") and (not port or port.isdecimal())


def _why_not(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: give another --port, or none for a free one"
    if error.errno == errno.EACCES:
        return f"port {port} is not yours to use: give one above 1023, or none for a free one"
    return f"cannot listen on {LOOPBACK}:{port}: {error.strerror or error}"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    # On Windows this option would let two programs share a port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, pages: dict[str, Page], port: int) -> None:
        self.pages = pages
        super().__init__((LOOPBACK, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A browser that goes away in the middle of an answer is no error.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rnnprof", ""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _only_read(self) -> None:
        self._say(405, "only GET and HEAD are served", Allow="GET, HEAD")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _only_read

    def _answer(self) -> None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not is_local(hosts[0]):
            return self._say(403, "this server answers to this machine alone")
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            return self._say(404, "there is no such page")
        if isinstance(page.content, bytes):
            self._head(200, page.kind, len(page.content))
            return self._body(page.content)
        return self._send(page.content, page.kind)

    def _send(self, path: Path, kind: str) -> None:
        with contextlib.ExitStack() as opened:
            try:
                file = opened.enter_context(open(path, "rb"))
            except OSError:
                return self._say(404, "the file is no longer there")
            self._head(200, kind, os.fstat(file.fileno()).st_size)
            if self.command != "HEAD":
                shutil.copyfileobj(file, self.wfile, 1 << 20)
        return None

    def _say(self, status: int, words: str, **headers: str) -> None:
        # What the request may still hold must not be taken for the next one.
        self._head(status, "text/plain; charset=utf-8", len(words) + 1, Connection="close", **headers)
        self._body(f"{words}\n".encode())

    def _head(self, status: int, kind: str, size: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(size), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _body(self, content: bytes) -> None:
        if self.command != "HEAD":
            self.wfile.write(content)

    def end_headers(self) -> None:
        # Here, so that the answers of the standard library to bad requests carry them too.
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the user's."""
