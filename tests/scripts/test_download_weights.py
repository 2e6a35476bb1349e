"""Downloads from a server on localhost: whole, resumed, cut off, changed, refused."""

import fcntl
import hashlib
import resource
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import download_weights
from download_weights import download
from i3d.errors import UserError
from tests.support.paths import SCRIPTS

SCRIPT = SCRIPTS / "download_weights.py"
CONTENT = bytes(range(256)) * 40
OTHER = CONTENT[::-1] + b"more"


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content` as told by the server's other attributes, and notes each request's range."""

    def do_GET(self):  # noqa: N802
        server = self.server
        wanted = self.headers["Range"]
        server.ranges.append(wanted)
        if server.status != 200:
            return self.send_error(server.status)
        start, status = 0, 200
        strong = None if server.etag.startswith("W/") else server.etag
        if wanted and server.ranges_served and self.headers["If-Range"] in (None, strong, server.modified):
            start, status = int(wanted.removeprefix("bytes=").removesuffix("-")) + server.shift, 206
        size = len(server.content)
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(status)
        headers = {
            "Content-Type": server.content_type,
            "Content-Length": server.length or size - start,
            "Content-Range": f"bytes {start}-{size - 1}/{size}" if status == 206 else None,
            "ETag": server.etag,
            "Last-Modified": server.modified,
        }
        for name, value in headers.items():
            if value:
                self.send_header(name, str(value))
        self.end_headers()
        stop = min(size, start + server.cuts.pop(0)) if server.cuts else size
        self.wfile.write(server.content[start:stop])
        return None

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download_weights, "PAUSE_S", 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    vars(server).update(
        content=CONTENT,
        etag='"one"',
        modified=None,
        status=200,
        ranges_served=True,
        cuts=[],
        ranges=[],
        length=None,
        shift=0,
        content_type="application/octet-stream",
        url=f"http://127.0.0.1:{server.server_port}/weights.pkl",
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "resources" / "weights.pkl"


def leave_part(target, have: bytes, version: str | None) -> None:
    """What an interrupted download leaves."""
    target.parent.mkdir()
    target.with_name("weights.pkl.part").write_bytes(have)
    if version:
        target.with_name("weights.pkl.part.version").write_text(version)


def names(target) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def refusal(server, target) -> str:
    with pytest.raises(UserError) as caught:
        download(server.url, target)
    assert not target.exists()
    return str(caught.value)


def test_a_whole_download_leaves_the_file_and_its_record(server, target):
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert names(target) == ["weights.pkl", "weights.pkl.sha256"]
    record = target.with_name("weights.pkl.sha256").read_text()
    assert record == f"{hashlib.sha256(CONTENT).hexdigest()}  weights.pkl\n"
    subprocess.run(["sha256sum", "--check", "--status", "weights.pkl.sha256"], cwd=target.parent, check=True)
    assert server.ranges == [None]


@pytest.mark.parametrize(("etag", "modified"), [('"one"', None), ('W/"weak"', "Sun, 22 Nov 2026 10:00:00 GMT")])
def test_a_connection_that_breaks_is_taken_up_again(server, target, etag, modified):
    server.etag, server.modified, server.cuts = etag, modified, [4000, 100]
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=4000-", "bytes=4100-"]


def test_a_later_run_goes_on_where_the_first_stopped(server, target):
    server.cuts = [3000, *[0] * download_weights.ATTEMPTS]
    assert "broke off at 3000 bytes" in refusal(server, target)
    assert names(target) == ["weights.pkl.part", "weights.pkl.part.version"]
    server.ranges.clear()
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=3000-"]


def test_a_file_changed_meanwhile_starts_over(server, target):
    leave_part(target, CONTENT[:5000], '"one"')
    server.content, server.etag = OTHER, '"two"'
    download(server.url, target)
    assert target.read_bytes() == OTHER
    assert server.ranges == ["bytes=5000-"]


def test_a_server_without_ranges_starts_over(server, target):
    leave_part(target, CONTENT[:5000], '"one"')
    server.ranges_served = False
    download(server.url, target)
    assert target.read_bytes() == CONTENT


def test_another_part_than_asked_for_starts_over(server, target):
    leave_part(target, CONTENT[:5000], '"one"')
    server.shift = 100
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == ["bytes=5000-", None]


def test_a_part_of_unknown_version_starts_over(server, target):
    leave_part(target, OTHER[:5000], None)
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_part_that_is_whole_already_is_taken(server, target):
    leave_part(target, CONTENT, '"one"')
    download(server.url, target)
    assert target.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_starts_over(server, target):
    leave_part(target, OTHER, '"one"')
    download(server.url, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(OTHER)}-", None]


def test_a_file_shorter_than_announced_is_never_taken(server, target):
    server.length, server.ranges_served = len(CONTENT) + 1, False
    assert f"broke off at {len(CONTENT)} bytes" in refusal(server, target)


def test_other_content_than_recorded_is_refused(server, target):
    download(server.url, target)
    target.unlink()
    server.content, server.etag = OTHER, '"two"'
    assert "is not the one recorded" in refusal(server, target)
    assert names(target) == ["weights.pkl.sha256"]


def test_a_file_that_is_there_is_checked_not_fetched(server, target):
    download(server.url, target)
    download(server.url, target)
    assert server.ranges == [None]
    target.write_bytes(OTHER)
    with pytest.raises(UserError, match="delete the file and download it again"):
        download(server.url, target)
    assert target.read_bytes() == OTHER


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusing_server_is_quoted(server, target, status):
    server.status = status
    assert f"{server.url}: the server answers {status}" in refusal(server, target)


def test_a_web_page_is_not_taken_for_weights(server, target):
    server.content_type = "text/html; charset=utf-8"
    assert "a web page" in refusal(server, target)
    assert not target.with_name("weights.pkl.sha256").exists()


def test_a_second_download_of_the_same_file_waits_its_turn(server, target):
    leave_part(target, b"", None)
    with target.with_name("weights.pkl.part").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another download" in refusal(server, target)


def run_script(server, target, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, SCRIPT, server.url, target], capture_output=True, text=True, **options)


def test_the_script_says_what_it_brought(server, target):
    run = run_script(server, target)
    assert run.stdout == f"{target}: {len(CONTENT)} bytes, sha256 {hashlib.sha256(CONTENT).hexdigest()}\n"


def test_a_full_disk_is_named(server, target):
    run = run_script(server, target, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)))
    assert run.returncode == 1
    assert (
        run.stderr
        == f"error: {target}.part cannot be written (File too large): make room or allow it, then run this again.\n"
    )
    download(server.url, target)
    assert target.read_bytes() == CONTENT


def test_without_a_network_one_line_says_what_to_do(server, target):
    server.shutdown()
    server.server_close()
    run = run_script(server, target)
    assert run.returncode == 1
    assert run.stderr.startswith("error: no network here (")
    assert "on Narval run this on a login node" in run.stderr
    assert run.stderr.count("\n") == 1
