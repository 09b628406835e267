"""The server of the viewers: a fixed table of pages, for this machine alone."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnprof.errors import UsageError
from rnnprof.viewers.servers import HEADERS, Page, Site, is_local, page_of, pages_in


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    file = tmp_path / "trace.json.gz"
    file.write_bytes(b"compressed")
    (tmp_path / "secret.txt").write_text("secret")
    pages = {"/": Page(b"<p>hello", "text/html; charset=utf-8"), "/trace": page_of(file)}
    with contextlib.closing(Site(pages, "/#start", notices=["a notice"])) as found:
        yield found


def ask(
    site: Site, path: str = "/", method: str = "GET", hosts: tuple[str, ...] | None = None, body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; every header of the request is chosen here."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for host in (f"127.0.0.1:{site.port}",) if hosts is None else hosts:
            connection.putheader("Host", host)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def test_a_page_from_memory_and_one_from_a_file(site: Site) -> None:
    status, headers, body = ask(site)
    assert (status, headers["Content-Type"], headers["Content-Length"], body) == (
        200,
        "text/html; charset=utf-8",
        "8",
        b"<p>hello",
    )
    status, headers, body = ask(site, "/trace?anything")
    assert (status, headers["Content-Type"], body) == (200, "application/gzip", b"compressed")
    assert site.url == f"http://127.0.0.1:{site.port}/#start"
    assert site.notices == ("a notice",)


def test_head_sends_no_body(site: Site) -> None:
    for path, size in (("/", "8"), ("/trace", "10")):
        status, headers, body = ask(site, path, "HEAD")
        assert (status, headers["Content-Length"], body) == (200, size, b"")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 200),
        ("/trace", "GET", 200),
        ("/none", "GET", 404),
        ("/", "POST", 405),
        ("/", "BREW", 501),
    ],
)
def test_every_answer_carries_the_headers_that_protect(
    site: Site, path: str, method: str, status: int
) -> None:
    found, headers, _ = ask(site, path, method)
    assert found == status
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Server"].strip() == "rnnprof"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_but_reading(site: Site, method: str) -> None:
    status, headers, body = ask(site, method=method, body=b"GET / HTTP/1.1\r\n\r\n")
    assert (status, headers["Allow"], headers["Connection"]) == (405, "GET, HEAD", "close")
    assert body == b"only GET and HEAD are served\n"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", ""],
)
def test_a_foreign_host_is_refused(site: Site, host: str) -> None:
    status, _, body = ask(site, hosts=(host.format(port=site.port),))
    assert (status, body) == (403, b"this server answers to this machine alone\n")


def test_no_host_and_two_hosts_are_refused(site: Site) -> None:
    own = f"127.0.0.1:{site.port}"
    assert ask(site, hosts=())[0] == 403
    assert ask(site, hosts=(own, "evil.example"))[0] == 403
    assert ask(site, hosts=(own,))[0] == 200
    assert ask(site, hosts=(f"LocalHost:{site.port}",))[0] == 200


def test_what_is_local() -> None:
    assert is_local("127.0.0.1:80")
    assert is_local("localhost:80")
    # A tunnel's own port.
    assert is_local("localhost:8081")
    assert is_local("localhost")
    for host in ("[::1]:80", "127.0.0.1.evil.org", "evil.org:80", "localhost:80:80", "localhost:x", ""):
        assert not is_local(host)


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/../secret.txt",
        "/trace/../secret.txt",
        "/%2e%2e/secret.txt",
        "//secret.txt",
        "/..\\secret.txt",
        "/trace%00",
        "/trace/",
        "secret.txt",
        "http://127.0.0.1/",
        "/etc/passwd",
    ],
)
def test_no_request_becomes_a_path(site: Site, path: str) -> None:
    assert ask(site, path)[::2] == (404, b"there is no such page\n")


def test_a_file_that_went_away_is_not_found(site: Site, tmp_path: Path) -> None:
    (tmp_path / "trace.json.gz").unlink()
    assert ask(site, "/trace")[::2] == (404, b"the file is no longer there\n")


def test_it_listens_on_the_loopback_alone(site: Site) -> None:
    assert site._server.server_address == ("127.0.0.1", site.port)


def test_the_port_that_is_asked_for_and_one_that_is_taken(site: Site) -> None:
    with pytest.raises(UsageError) as error:
        Site({}, port=site.port)
    assert str(error.value) == f"port {site.port} is in use: give another --port, or none for a free one"
    port = site.port
    site.close()
    again = Site({"/": Page(b"again", "text/plain")}, port=port)
    assert (again.port, ask(again)[2]) == (port, b"again")
    again.close()


def test_closing_frees_the_port_ends_the_thread_and_may_be_repeated(site: Site) -> None:
    waiting = threading.Thread(target=site.wait)
    waiting.start()
    site.close()
    site.close()
    waiting.join()
    assert not site._thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.port)).close()


def test_a_reader_that_leaves_is_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b"x" * (8 << 20))
    site = Site({"/": page_of(large), "/next": Page(b"next", "text/plain")})
    with socket.create_connection(("127.0.0.1", site.port)) as reader:
        reader.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode())
        reader.recv(10)
    assert ask(site, "/next")[2] == b"next"
    site.close()
    assert capfd.readouterr() == ("", "")


def test_the_pages_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "index.html").write_text("")
    (tmp_path / "deep" / "er" / "code.js").write_text("")
    (tmp_path / "deep" / "what.bin").write_text("")
    assert {address: page.kind for address, page in pages_in(tmp_path).items()} == {
        "/index.html": "text/html; charset=utf-8",
        "/deep/er/code.js": "text/javascript; charset=utf-8",
        "/deep/what.bin": "application/octet-stream",
    }
