"""Download published weights, going on from where an earlier attempt was cut off.

    python scripts/download_weights.py swin3d_t resources/swin3d_t.pth
    python scripts/download_weights.py URL resources/i3d_baseline_32x2_IN_pretrain_400k.pkl

Under way the bytes are in `<target>.<version>.part`, where the version is the server's. The SHA-256 of the first
complete download is kept in `<target>.sha256`, as `sha256sum --check` reads it; every later download, and a target
that is there already, must match it. It must match what the publisher says of it, too.
"""

import argparse
import fcntl
import ssl
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path

from i3d.backbones import backbone
from i3d.backbones.backbone import Published
from i3d.digests import file_sha256, json_digest
from i3d.errors import UserError, run_main

ATTEMPTS = 5  # in a row that bring no byte
PAUSE_S = 2.0  # before the next attempt
TIMEOUT_S = 60  # of silence from the server
# What a server answers that may serve the file later.
BUSY = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
CHUNK_BYTES = 1 << 20


def download(url: str, target: Path, sha256: str | None = None) -> str:
    """Bring `url` to `target`, which appears whole or not at all, and return its SHA-256 in hexadecimal.

    `sha256` is what that must be, or begin with. A target that is there already is only checked. Raises UserError
    without a network, when the server refuses or keeps breaking off, when the disk is full, and for content whose
    SHA-256 is not the published or the recorded one.
    """
    if target.exists():
        return _check_sha256(target, target, sha256)
    try:
        partial = _fetch(url, target)
        digest = _check_sha256(partial, target, sha256)
        partial.replace(target)
        for left in target.parent.glob(f"{target.name}.*.part"):  # of other versions
            left.unlink()
    except urllib.error.HTTPError as error:
        advice = "run this again later" if error.code in BUSY else "check the address"
        raise UserError(f"{url}: the server answers {error.code} {error.reason}; {advice}") from None
    except (urllib.error.URLError, TimeoutError) as error:
        raise UserError(
            f"no connection to {url} ({getattr(error, 'reason', error)}): run this where there is one, on a cluster on "
            f"a login node, or fetch the file elsewhere, put it at {target} and run this again"
        ) from None
    except OSError as error:
        raise UserError(f"cannot write {target} ({error.strerror}): correct that, then run this again") from None
    return digest


def _fetch(url: str, target: Path) -> Path:
    """Bring the whole file to a partial one beside the target, named for the version that the server has now."""
    headers = _headers(url)
    if headers.get_content_type() == "text/html" or headers["Content-Length"] is None:
        raise UserError(f"{url}: a web page or nothing of known size instead of weights; check the address")
    size = int(headers["Content-Length"])
    names = (headers["ETag"], headers["Last-Modified"])
    version = next((name for name in names if name and not name.startswith("W/")), None)  # W/: not the same bytes
    partial = target.with_name(f"{target.name}.{json_digest([version, size])}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{partial} is being written by another download; wait for that one") from None
        if version is None or file.tell() > size:
            file.truncate(0)  # nobody knows what it is a part of
        idle = furthest = 0
        while (have := file.seek(0, 2)) < size:
            if idle == ATTEMPTS:
                raise UserError(f"{url}: the server broke off at {have} of {size} bytes; run this again to go on")
            time.sleep(PAUSE_S if idle else 0)
            try:
                with _request(url, "GET", {"Range": f"bytes={have}-", "If-Range": version or '""'}) as response:
                    if response.status != HTTPStatus.PARTIAL_CONTENT:
                        file.truncate(0)  # the whole comes: another version by now, or a server that sends no parts
                    while chunk := response.read(CHUNK_BYTES):
                        file.write(chunk)
            except urllib.error.HTTPError as error:
                if error.code not in BUSY:
                    raise
            except (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, HTTPException):
                pass  # what came is kept
            idle = 0 if file.seek(0, 2) > furthest else idle + 1
            furthest = max(furthest, file.tell())
    return partial


def _headers(url: str) -> HTTPMessage:
    """Ask what there is, again if the server is busy, but only once if there is none: then there is no network."""
    for _ in range(ATTEMPTS - 1):
        try:
            with _request(url, "HEAD") as response:
                return response.headers
        except urllib.error.HTTPError as error:
            if error.code not in BUSY:
                raise
        time.sleep(PAUSE_S)
    with _request(url, "HEAD") as response:
        return response.headers


def _request(url: str, method: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    headers = {"Accept-Encoding": "identity"} | (headers or {})
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=TIMEOUT_S)


def _check_sha256(path: Path, target: Path, published: str | None) -> str:
    """Compare `path` with what was published and with the record beside `target`, which is made where there is none."""
    record = target.with_name(f"{target.name}.sha256")
    digest = file_sha256(path)
    if published and not digest.startswith(published):
        raise UserError(
            f"{path}: its SHA-256 {digest} is not the published one, {published}; delete the file and download it again"
        )
    if not record.exists():
        record.write_text(f"{digest}  {target.name}\n")
    elif record.read_text().split()[:1] != [digest]:
        raise UserError(
            f"{path}: SHA-256 {digest} is not the one recorded in {record}; delete the file and download it again, "
            "or the record too if you know why the published file has changed"
        )
    return digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="a model, as the configuration names it, or an address")
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    source = arguments.source
    published = Published(source) if "://" in source else backbone(source).published()
    digest = download(published.url, arguments.target, published.sha256)
    print(f"{arguments.target}: {arguments.target.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    run_main(main)
