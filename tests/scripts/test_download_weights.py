"""Downloads from a server on localhost: whole, resumed, cut off, changed, refused."""

import fcntl
import hashlib
import resource
import socket
import subprocess
import sys
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from i3d.errors import UserError
from scripts import download_weights
from scripts.download_weights import download
from tests.support.paths import SCRIPTS

CONTENT = bytes(range(256)) * 40
OTHER = CONTENT[::-1]


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content` as the server's other attributes say, and notes the range of each GET."""

    def do_HEAD(self):  # noqa: N802
        if self.is_refused():
            return
        self.start(200, len(self.server.content) + self.server.promised)

    def do_GET(self):  # noqa: N802
        server = self.server
        if self.is_refused():
            return
        server.ranges.append(self.headers["Range"])
        strong = None if (server.etag or "W/").startswith("W/") else server.etag
        in_part = server.ranges_served and self.headers["If-Range"] in (strong, server.modified)
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if in_part else 0
        content = server.content[start:]
        content_range = f"bytes {start}-{len(server.content) - 1}/{len(server.content)}" if in_part else None
        self.start(206 if in_part else 200, len(content), content_range)
        self.wfile.write(content[: server.cuts.pop(0)] if server.cuts else content)

    def is_refused(self):
        if refused := bool(self.server.refusals):
            self.send_error(self.server.refusals.pop(0))
        return refused

    def start(self, status, length, content_range=None):
        self.send_response(status)
        for name, value in {
            "Content-Type": self.server.content_type,
            "Content-Length": length,
            "Content-Range": content_range,
            "ETag": self.server.etag,
            "Last-Modified": self.server.modified,
        }.items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download_weights, "PAUSE_S", 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    vars(server).update(content=CONTENT, etag='"one"', modified=None, ranges_served=True)
    vars(server).update(promised=0, cuts=[], ranges=[], refusals=[], content_type="application/octet-stream")
    server.url = f"http://127.0.0.1:{server.server_port}/weights.pkl"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "resources" / "weights.pkl"


def interrupt(server, target, have: int) -> None:
    """Leave what a download leaves that ends after so many bytes."""
    server.cuts = [have, *[0] * download_weights.ATTEMPTS]
    assert f"broke off at {have} of {len(CONTENT)} bytes" in refusal(server, target)
    assert [path.suffix for path in target.parent.iterdir()] == [".part"]
    server.cuts = []
    server.ranges.clear()


def refusal(server, target) -> str:
    with pytest.raises(UserError) as caught:
        download(server.url, target)
    assert not target.exists()
    return str(caught.value)


def test_a_whole_download_leaves_the_file_and_its_record(server, target):
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert sorted(path.name for path in target.parent.iterdir()) == ["weights.pkl", "weights.pkl.sha256"]
    subprocess.run(["sha256sum", "--check", "--status", "weights.pkl.sha256"], cwd=target.parent, check=True)
    assert server.ranges == ["bytes=0-"]


@pytest.mark.parametrize(("etag", "modified"), [('"one"', None), ('W/"weak"', "Sun, 22 Nov 2026 10:00:00 GMT")])
def test_it_goes_on_where_the_connection_broke_in_this_run_or_the_last(server, target, etag, modified):
    server.etag, server.modified = etag, modified
    interrupt(server, target, 3000)
    server.cuts = [1000, 100]
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=3000-", "bytes=4000-", "bytes=4100-"]


def test_another_version_starts_over(server, target):
    interrupt(server, target, 3000)
    server.content, server.etag = OTHER, '"two"'
    download(server.url, target)
    assert target.read_bytes() == OTHER
    assert server.ranges == ["bytes=0-"]
    assert not list(target.parent.glob("*.part"))


def test_a_version_without_a_name_starts_over(server, target):
    server.etag, server.cuts = None, [5000, *[4000] * download_weights.ATTEMPTS]
    assert "broke off at 4000 of" in refusal(server, target)
    server.content = OTHER
    download(server.url, target)
    assert target.read_bytes() == OTHER


def test_a_file_that_changes_between_two_requests_is_never_a_mixture(server, target, monkeypatch):
    request = download_weights._request

    def change_after(url, method, headers=None):
        response = request(url, method, headers)
        server.content, server.etag = OTHER, '"two"'
        return response

    monkeypatch.setattr(download_weights, "_request", change_after)
    server.cuts = [3000]
    download(server.url, target)
    assert target.read_bytes() == OTHER
    assert server.ranges == ["bytes=0-", "bytes=3000-"]


def test_a_server_that_sends_no_parts_starts_over(server, target):
    interrupt(server, target, 5000)
    server.ranges_served = False
    download(server.url, target)
    assert target.read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server, target):
    interrupt(server, target, len(CONTENT) - 1)
    (partial,) = target.parent.iterdir()
    partial.write_bytes(CONTENT)
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == []


def test_a_file_shorter_than_announced_is_never_taken(server, target):
    server.promised, server.ranges_served = 1, False
    assert f"broke off at {len(CONTENT)} of {len(CONTENT) + 1} bytes" in refusal(server, target)


def test_other_content_than_recorded_is_refused(server, target):
    download(server.url, target)
    download(server.url, target)
    assert server.ranges == ["bytes=0-"], "what is there is checked, not fetched"
    target.unlink()
    server.content, server.etag = OTHER, '"two"'
    assert "is not the one recorded" in refusal(server, target)
    target.write_bytes(OTHER)
    with pytest.raises(UserError, match="delete the file and download it again"):
        download(server.url, target)


def test_a_second_download_of_the_same_file_waits_its_turn(server, target):
    interrupt(server, target, 3000)
    (partial,) = target.parent.iterdir()
    with partial.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another download" in refusal(server, target)


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "Forbidden; check the address"), (404, "Not Found; check the address")]
    + [(status, "run this again later") for status in (429, 502, 503, 504)],
)
def test_a_refusing_server_is_quoted(server, target, status, words):
    server.refusals = [status] * download_weights.ATTEMPTS
    message = refusal(server, target)
    assert message.startswith(f"{server.url}: the server answers {status} ") and message.endswith(words)
    assert len(server.refusals) == (0 if "later" in words else download_weights.ATTEMPTS - 1)


def test_a_busy_server_is_asked_again(server, target):
    interrupt(server, target, 3000)
    server.refusals = [503, 429, 503, 502]
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=3000-"]


def test_a_server_that_is_busy_or_away_in_the_middle_is_asked_again(server, target, monkeypatch):
    faults = [
        urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")),
        urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution")),
        urllib.error.HTTPError(server.url, 503, "Service Unavailable", None, None),
    ]
    request = download_weights._request

    def failing(url, method, headers=None):
        if method == "GET" and server.ranges and faults:
            raise faults.pop()
        return request(url, method, headers)

    monkeypatch.setattr(download_weights, "_request", failing)
    server.cuts = [3000]
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert (server.ranges, faults) == (["bytes=0-", "bytes=3000-"], [])


def test_a_file_that_is_gone_in_the_middle_is_not_asked_for_again(server, target, monkeypatch):
    request = download_weights._request

    def gone(url, method, headers=None):
        if method == "GET":
            server.refusals = [404]
        return request(url, method, headers)

    monkeypatch.setattr(download_weights, "_request", gone)
    assert "answers 404 Not Found; check the address" in refusal(server, target)


def test_a_web_page_is_not_taken_for_weights(server, target):
    server.content_type = "text/html; charset=utf-8"
    assert "a web page" in refusal(server, target)


def run_script(server, target, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPTS / "download_weights.py", server.url, target]
    return subprocess.run(command, capture_output=True, text=True, **options)


def test_the_script_says_what_it_brought(server, target):
    run = run_script(server, target)
    assert run.stdout == f"{target}: {len(CONTENT)} bytes, sha256 {hashlib.sha256(CONTENT).hexdigest()}\n"


def test_a_full_disk_is_named(server, target):
    run = run_script(server, target, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert f"cannot write {target} (File too large)" in run.stderr
    download(server.url, target)
    assert target.read_bytes() == CONTENT


def test_without_a_network_one_line_says_what_to_do_anywhere(server, target):
    server.shutdown()
    server.server_close()
    run = run_script(server, target)
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert run.stderr.startswith(f"error: no connection to {server.url} (")
    assert "on a login node" in run.stderr and f"put it at {target}" in run.stderr
