"""Say what a file is if FFmpeg cannot open or decode it, or decodes only part of it, from its bytes and boxes."""

import re
import struct

from i3d.decoding.held_file import HeldFile

MP4_FORMAT = "mov,mp4,m4a,3gp,3g2,mj2"  # the only container with edit lists
NOTHING_DECODED = "no frame could be decoded"
# First bytes of the formats in which FFmpeg decodes only the first of several joined files.
BEGINNINGS = {
    "flv": (b"FLV\x01\x01\0\0\0\x09", b"FLV\x01\x05\0\0\0\x09"),
    "asf": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),),
}
SEARCHED = 1 << 20  # bytes after the last packet in which a joined file would begin
PHOTOGRAPH_BYTES = 64 << 20  # largest photograph
LARGEST_FTYP = 256  # bytes of the first box of an MP4
HEAD = 1 << 16  # bytes in which headers give the length of their file
SEGMENT = b"\x18\x53\x80\x67"  # the element that a Matroska file consists of
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def why_not_open(file: HeldFile) -> str:
    """Say why FFmpeg does not open a file."""
    kinds, _ = mp4_boxes(file)
    if b"moof" in kinds and b"moov" not in kinds:
        return "a fragment of a video without its init segment; join the init segment and its fragments, in order"
    if kinds and kinds[0] in (b"ftyp", b"mdat", b"wide", b"free", b"skip") and b"moov" not in kinds:
        return "moov atom missing: the file is cut off"
    return "not a video that FFmpeg knows"


def why_no_video(file: HeldFile, container: str, frames: int) -> str | None:
    """Say why a file, of which FFmpeg decodes `frames` frames, is not a video; None if it is.

    `container` is FFmpeg's name for its format.
    """
    if frames == 1 and container == "jpeg_pipe" and _has_video_behind(file):
        return "a photograph with a video behind it; save the video as a file of its own"
    if frames:
        return None
    head = file.read(0, 32)
    if container == "webp_pipe" and head[12:16] == b"VP8X" and head[20] & 2:
        return "an animated WebP picture, which FFmpeg cannot decode; save it as a GIF or a video"
    if container == MP4_FORMAT:
        kinds, cut = mp4_boxes(file)
        if not cut and b"moov" in kinds and not {b"mdat", b"moof"} & set(kinds):
            return "the init segment of a video without its fragments; join them, in order"
    return NOTHING_DECODED


def left_out(file: HeldFile, container: str, end: int) -> str | None:
    """Say which video in a file FFmpeg does not decode; None if it decodes all. `end` is where the last packet ends."""
    if container == MP4_FORMAT:
        kinds, _ = mp4_boxes(file)
        _, *others = [place for place, kind in enumerate(kinds) if kind == b"moov"] or [0]
        joined = bool(others) and b"moof" not in kinds[others[0] :]  # fragments are decoded with the first moov
    else:
        behind = file.read(end, SEARCHED) if container in BEGINNINGS else b""
        joined = any(beginning in behind for beginning in BEGINNINGS.get(container, ()))
    return "several videos are joined in this file, and FFmpeg decodes the first alone" if joined else None


def breaks_off(file: HeldFile, container: str) -> bool:
    """Whether a file is shorter than its header says; False if that says nothing."""
    if container == MP4_FORMAT:
        return mp4_boxes(file)[1]
    head, length = file.read(0, HEAD), 0.0
    if container == "matroska,webm":
        length = _segment_end(head)
    elif container == "flv" and (key := re.search(rb"\0\x08filesize\0(.{8})", head, re.DOTALL)):
        (length,) = struct.unpack(">d", key[1])
    elif container == "asf" and (properties := re.search(re.escape(ASF_PROPERTIES) + b".{24}(.{8})", head, re.DOTALL)):
        (length,) = struct.unpack("<Q", properties[1])
    return file.size < length


def mp4_boxes(file: HeldFile) -> tuple[list[bytes], bool]:
    """List the top-level boxes of an MP4 or QuickTime file, and say whether the file ends before they do.

    Reads a few bytes of each box (ISO/IEC 14496-12, 4.2). The result is meaningless for other kinds of files.
    """
    kinds, end = [], 0
    while end < file.size and len(head := file.read(end, 16)) >= 8:
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
        if length < 8:  # 0 means up to the end of the file
            end = file.size
            break
        kinds.append(kind)
        end += length
    return kinds, end > file.size


def _segment_end(head: bytes) -> int:
    """Where a Matroska file ends (RFC 8794, 4); 0 if its header does not say, as in a live recording."""
    start = head.find(SEGMENT) + len(SEGMENT)
    if start < len(SEGMENT) or not any(head[start : start + 1]):
        return 0
    octets = 9 - head[start].bit_length()
    most = (1 << 7 * octets) - 1
    length = int.from_bytes(head[start : start + octets]) & most
    return 0 if length == most else start + octets + length


def _has_video_behind(file: HeldFile) -> bool:
    """Whether an MP4 begins somewhere in a photograph."""
    content = file.read(0, min(file.size, PHOTOGRAPH_BYTES))
    boxes = re.finditer(rb"(.{4})ftyp", content, re.DOTALL)
    return any(8 < int.from_bytes(box[1]) <= LARGEST_FTYP for box in boxes)
