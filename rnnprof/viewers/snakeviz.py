"""snakeviz (https://jiffyclub.github.io/snakeviz/, BSD) on one file of cProfile's statistics.

Its own server opens any file and lists any folder that a request names; here its page is filled
once, with the one file, and served as it is.
"""

from __future__ import annotations

import json
import pstats
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rnnprof.errors import UsageError
from rnnprof.runcheck import shown
from rnnprof.viewers.servers import KINDS, Page, Site, pages_in

CDN = re.compile(rb'"https://cdnjs\.cloudflare\.com/[^"]*/(immutable|lodash)\.min\.js"')
"""What the page's worker loads from elsewhere, though snakeviz has a copy of both."""
OWN = rb'event.data["url"] + "/static/vendor/\1.min.js"'


def is_installed() -> bool:
    """Whether snakeviz can be imported."""
    return find_spec("snakeviz") is not None


def serve(statistics: Path, port: int = 0) -> Site:
    """Show where Python's functions spend their time.

    Args:
        statistics: what cProfile wrote. It is marshal data, which can crash Python if it was made
            for that: give only files that this tool or the user made.
        port: where to listen; 0 for a free port.

    Returns:
        The viewer, which serves already.

    Raises:
        UsageError: snakeviz is not installed, the file holds no statistics, or the port is taken.
    """
    found = find_spec("snakeviz")
    if found is None or not found.submodule_search_locations:
        raise UsageError('snakeviz is not installed: pip install "rnnprof[snakeviz]"')
    package = Path(found.submodule_search_locations[0])
    pages = {f"/static{address}": page for address, page in pages_in(package / "static").items()}
    pages["/favicon.ico"] = pages["/static/favicon.ico"]
    pages["/"] = Page(page(statistics, package / "templates"), KINDS[".html"])
    return Site(pages, "/", port)


def page(statistics: Path, templates: Path) -> bytes:
    """snakeviz's page, filled.

    Args:
        statistics: what cProfile wrote.
        templates: the folder of snakeviz's templates.

    Returns:
        HTML that asks for nothing from elsewhere.

    Raises:
        UsageError: the file holds no statistics.
    """
    from snakeviz.stats import json_stats, table_rows
    from tornado.template import Loader

    stats = _load(statistics)
    filled: bytes = (
        Loader(str(templates))
        .load("viz.html")
        .generate(
            profile_name=statistics.name,
            table_rows=_script(table_rows(stats)),
            callees=_script(json_stats(stats)),
        )
    )
    return CDN.sub(OWN, filled)


def _load(file: Path) -> pstats.Stats:
    try:
        return pstats.Stats(str(file))
    except OSError as error:
        raise UsageError(f"cannot read {shown(file)}: {error.strerror or error}") from None
    except Exception:
        # marshal and pstats raise nearly anything at data that is not theirs.
        raise UsageError(f"{shown(file)} holds no statistics of cProfile, or another Python's") from None


def _script(data: Any) -> str:
    """Data as JavaScript inside a page: no name in it can end the script."""
    return json.dumps(data).replace("<", "\\u003c")
