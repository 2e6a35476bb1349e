"""Download published weights, going on from where an earlier attempt was cut off.

    python scripts/download_weights.py URL resources/i3d_baseline_32x2_IN_pretrain_400k.pkl

Under way the bytes are in `<target>.part`. The SHA-256 of the first complete download is kept in `<target>.sha256`,
as `sha256sum --check` reads it; every later download, and a target that is there already, must match it.
"""

import argparse
import fcntl
import re
import ssl
import time
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import BinaryIO

from i3d.digests import file_sha256
from i3d.errors import UserError, run_main

ATTEMPTS = 5  # in a row that bring no byte
PAUSE_S = 2.0  # before the next attempt
TIMEOUT_S = 60  # of silence from the server
CHUNK_BYTES = 1 << 20
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416


def download(url: str, target: Path) -> str:
    """Bring `url` to `target`, which appears whole or not at all, and return its SHA-256 in hexadecimal.

    A target that is there already is only checked.

    Raises UserError without a network, when the server refuses or keeps breaking off, when the disk is full, and for
    content whose SHA-256 is not the recorded one.
    """
    if target.exists():
        return _check_sha256(target, target)
    partial = target.with_name(f"{target.name}.part")
    version = target.with_name(f"{target.name}.part.version")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _fetch_all(url, file, version)
    except BlockingIOError:
        raise UserError(f"{partial} is being written by another download: wait for that one.") from None
    except OSError as error:
        raise UserError(
            f"{partial} cannot be written ({error.strerror}): make room or allow it, then run this again."
        ) from None
    version.unlink(missing_ok=True)
    try:
        digest = _check_sha256(partial, target)
    except UserError:
        partial.unlink()
        raise
    partial.replace(target)
    return digest


def _fetch_all(url: str, file: BinaryIO, version: Path) -> None:
    """Append to `file` until it is complete, reconnecting as long as attempts bring something."""
    idle = 0
    while idle < ATTEMPTS:
        before = file.seek(0, 2)
        try:
            if _fetch(url, file, version):
                return
        except urllib.error.HTTPError as error:
            raise UserError(f"{url}: the server answers {error.code} {error.reason}; check the address.") from None
        except urllib.error.URLError as error:
            raise UserError(
                f"no network here ({error.reason}): {url} is out of reach; on Narval run this on a login node."
            ) from None
        except (ConnectionError, TimeoutError, HTTPException, ssl.SSLError):
            pass  # broken off: what came is kept, the next attempt goes on from there
        idle = 0 if file.seek(0, 2) > before else idle + 1
        time.sleep(PAUSE_S)
    raise UserError(f"{url}: the server broke off at {file.tell()} bytes; run this again and it goes on from there.")


def _fetch(url: str, file: BinaryIO, version: Path) -> bool:
    """Make one request for what `file` lacks and append the answer; True once the file is complete.

    `version` keeps what the server calls the version that `file` is a part of. A server whose version is another, or
    which cannot send parts, sends the whole file (RFC 9110, section 13.1.5), and `file` starts over.
    """
    have = file.seek(0, 2)
    headers = {"Accept-Encoding": "identity"}
    if have and version.exists():
        headers |= {"Range": f"bytes={have}-", "If-Range": version.read_text()}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != RANGE_NOT_SATISFIABLE:
            raise
        if error.headers["Content-Range"] == f"bytes */{have}":
            return True  # cut off between the last byte and the renaming
        version.unlink(missing_ok=True)
        return False
    with response:
        if response.status == PARTIAL_CONTENT:
            part = re.fullmatch(rf"bytes {have}-\d+/(\d+)", response.headers["Content-Range"] or "")
            if not part:  # not the part that was asked for: ask for the whole
                version.unlink()
                return False
            size = int(part[1])
        else:
            size = _start_over(url, file, version, response.headers)
        while chunk := response.read(CHUNK_BYTES):
            file.write(chunk)
    return file.seek(0, 2) == size


def _start_over(url: str, file: BinaryIO, version: Path, headers: HTTPMessage) -> int:
    """Empty `file`, note the version that the server sends now, and return its size in bytes."""
    if headers.get_content_type() == "text/html" or headers["Content-Length"] is None:
        raise UserError(f"{url}: a web page or nothing of known size comes instead of weights; check the address.")
    file.truncate(0)
    strong = [headers["ETag"]] if not (headers["ETag"] or "W/").startswith("W/") else []
    validators = [*strong, headers["Last-Modified"]]
    version.unlink(missing_ok=True)
    if validators[0]:
        version.write_text(validators[0])
    return int(headers["Content-Length"])


def _check_sha256(path: Path, target: Path) -> str:
    """Compare `path` with the record beside `target`, or make the record where there is none."""
    record = target.with_name(f"{target.name}.sha256")
    digest = file_sha256(path)
    if not record.exists():
        record.write_text(f"{digest}  {target.name}\n")
    elif record.read_text().split()[:1] != [digest]:
        raise UserError(
            f"{target}: SHA-256 {digest} is not the one recorded in {record}; delete the file and download it again, "
            "or the record too if you know why the published file has changed."
        )
    return digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    digest = download(arguments.url, arguments.target)
    print(f"{arguments.target}: {arguments.target.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    run_main(main)
