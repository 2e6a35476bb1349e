"""Folders of numbered pictures give the frames that Pillow shows, in the order of their numbers."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from i3d.decoding.decoder import decode_videos
from i3d.decoding.frame_folder import FrameFolder
from i3d.decoding.held_file import UnreadableError
from i3d.decoding.pictures import rgb_frames
from i3d.decoding.probe import Probe, probe
from i3d.digests import video_digest
from i3d.frame_stream import CHANGED, End, Frames, StreamWriter, read_stream
from i3d.settings import JobSettings, NumericSettings
from i3d.snippets import SnippetRule
from tests.support.clips import ffmpeg, pattern
from tests.support.recorder import decode


def picture(number, size=(96, 64), mode="RGB"):
    """Noise that belongs to a number; of 16 bits for the mode I;16."""
    noise = np.random.default_rng(number)
    if mode == "I;16":
        return Image.fromarray(noise.integers(0, 600, size[::-1], np.uint16))
    return Image.fromarray(noise.integers(0, 256, (*size[::-1], 3), np.uint8)).convert(mode)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "x.1"
    path.mkdir()
    return path


@pytest.fixture
def twenty(folder):
    for number in range(20):
        picture(number).save(folder / f"{number}.png")
    return folder


def shown(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_frames_are_pillows_in_the_order_of_the_numbers(twenty):
    recorder, result = decode(twenty)
    assert np.array_equal(recorder.frames, [shown(twenty / f"{number}.png") for number in range(20)])
    assert (result["status"], result["frames_decoded"], result["damaged"]) == ("ok", 20, None)
    begin = {"frames_declared": 20, "fps": None, "width": 96, "height": 64, "resized_by": None}
    assert recorder.begin == begin | {"decoder": "pillow", "decoder_reason": "a folder of pictures"}
    assert result["digest"] == video_digest(twenty)
    assert probe(twenty, clip_length=16) == Probe(20, True, None, 96, 64, codec="png", declared=20)
    assert np.array_equal(list(rgb_frames(twenty)), recorder.frames)


MODES = [
    *(("RGB", kind) for kind in ("jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp", "JPG", "Png")),
    *(("L", kind) for kind in ("jpg", "png", "bmp", "tif")),
    *(("RGBA", kind) for kind in ("png", "webp", "tif")),
    *(("P", kind) for kind in ("png", "bmp", "tif")),
    *(("LA", "png"), ("1", "png"), ("1", "tif"), ("CMYK", "jpg"), ("CMYK", "tif")),
]


@pytest.mark.parametrize(("mode", "suffix"), MODES)
def test_every_mode_is_as_pillow_converts_it(folder, mode, suffix):
    for number in (1, 2):
        picture(number, mode=mode).save(folder / f"img_{number}.{suffix}")
    recorder, result = decode(folder)
    assert np.array_equal(recorder.frames, [shown(folder / f"img_{number}.{suffix}") for number in (1, 2)])
    assert (result["status"], result["damaged"]) == ("ok", None)


def test_pictures_of_several_sizes_and_kinds(folder):
    """Each is brought to the network's size by itself."""
    for number, size in enumerate([(96, 64), (64, 96), (1, 1), (640, 480)]):
        picture(number, size).save(folder / f"{number}.{'png' if number % 2 else 'bmp'}")
    (_, frames, _) = through_workers(folder)
    expected = [
        Image.open(path).convert("RGB").resize((340, 256), Image.Resampling.LANCZOS)
        for path in sorted(folder.iterdir())
    ]
    assert np.array_equal(frames, [np.asarray(each) for each in expected])


def through_workers(path, **settings):
    """END's result, the frames and BEGIN's count of one folder, from a worker process."""
    stream = io.BytesIO()
    writer = StreamWriter(stream)
    decode_videos([(0, path.name, path)], writer, NumericSettings(**settings), JobSettings())
    writer.close()
    stream.seek(0)
    frames, end = [], None
    for message in read_stream(stream):
        if isinstance(message, Frames):
            frames += list(message.frames.copy())
        elif isinstance(message, End):
            end = message.result
    return end, frames, len(frames)


def test_broken_and_missing_pictures_are_damage(twenty):
    (twenty / "3.png").write_bytes((twenty / "3.png").read_bytes()[:1000])
    (twenty / "7.png").write_bytes(b"")
    (twenty / "8.png").write_bytes(b"no picture")
    (twenty / "10.png").unlink()
    os.mkfifo(twenty / "10.png")
    (twenty / "11.png").unlink()
    (twenty / "11.png").symlink_to("nothing")
    (twenty / "12.png").unlink()
    (twenty / "12.png").symlink_to("12.png")
    (twenty / "13.png").unlink()
    recorder, result = decode(twenty)
    good = [number for number in range(20) if number not in (3, 7, 8, 10, 11, 12, 13)]
    assert np.array_equal(recorder.frames, [shown(twenty / f"{number}.png") for number in good])
    assert (result["status"], result["frames_decoded"]) == ("ok", 13)
    assert result["damaged"] == (
        "6 of 19 pictures cannot be read: 3.png, 7.png, 8.png, 10.png, 11.png and 1 more; "
        "1 of the numbers 0 to 19 is missing"
    )
    found = probe(twenty, clip_length=16)
    assert (found.frames, found.declared, found.damaged) == (13, 19, result["damaged"])
    assert result["digest"] == video_digest(twenty)


DEEP = "have more than 8 bits a channel and must be converted to 8"


@pytest.mark.parametrize(("mode", "suffix"), [("I;16", "png"), ("I;16", "tif"), ("I", "tif"), ("F", "tif")])
def test_pictures_of_more_than_8_bits_are_no_frames(folder, mode, suffix):
    """Pillow would make almost all of their pixels white."""
    for number in (1, 2):
        deep = picture(number, mode="I;16")
        (deep if mode == "I;16" else deep.convert("I").convert(mode)).save(folder / f"{number}.{suffix}")
    reason = f"none of its 2 pictures can be read: 2 {DEEP}"
    _, result = decode(folder)
    assert (result["status"], result["reason"]) == ("unreadable", reason)
    assert probe(folder, clip_length=16) == Probe(0, True, reason=reason)
    picture(3).save(folder / "3.png")
    (folder / "4.png").write_bytes(b"x")
    recorder, result = decode(folder)
    assert np.array_equal(recorder.frames, [shown(folder / "3.png")])
    damaged = f"1 of 4 pictures cannot be read: 4.png; 2 of 4 pictures {DEEP}: 1.{suffix}, 2.{suffix}"
    assert (result["status"], result["damaged"]) == ("ok", damaged)


def test_other_formats_under_a_pictures_name_are_not_opened(folder):
    """EPS would start a program."""
    picture(1).save(folder / "1.png")
    picture(2).save(folder / "2.png", "EPS")
    assert decode(folder)[1]["damaged"] == "1 of 2 pictures cannot be read: 2.png"


def test_no_picture_at_all_is_unreadable(folder):
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"x")
    _, result = decode(folder)
    assert (result["status"], result["reason"]) == ("unreadable", "none of its 3 pictures can be read")
    assert probe(folder, clip_length=16) == Probe(0, True, reason="none of its 3 pictures can be read")


def test_folders_of_other_things(folder):
    for name in ("a.jpg", "1.txt"):
        (folder / name).touch()
        with pytest.raises(UnreadableError, match="a directory, not a file"):
            FrameFolder(folder)
        (folder / name).unlink()
    (folder / "1.jpg").touch()
    (folder / "01.jpg").touch()
    with pytest.raises(UnreadableError, match=r"its pictures 01\.jpg and 1\.jpg have the same number"):
        FrameFolder(folder)


def test_a_picture_that_may_not_be_read_is_tried_again(twenty, monkeypatch):
    opening = os.open

    def refused(path, *arguments, **options):
        if path == "5.png":
            raise PermissionError(13, "Permission denied", path)
        return opening(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    _, result = decode(twenty)
    assert (result["status"], result["reason"]) == ("failed", "Permission denied")
    assert "digest" not in result


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"fps": 5.0}, "a folder of pictures, taken as they are: they have no times"),
        ({"via_jpeg": True}, "a folder of pictures, taken as they are: not through JPEG again"),
    ],
)
def test_neither_a_rate_nor_jpeg_means_anything_here(twenty, settings, words):
    plain, _ = decode(twenty)
    recorder, result = decode(twenty, **settings)
    assert np.array_equal(recorder.frames, plain.frames)
    assert (recorder.begin["decoder_reason"], result["frames_decoded"]) == (words, 20)
    assert probe(twenty, clip_length=16, **settings) == probe(twenty, clip_length=16)


def test_frames_that_no_snippet_takes_are_counted(twenty):
    (twenty / "1.png").write_bytes(b"")
    recorder, result = decode(twenty, rule=SnippetRule(clip_length=3, frequency=8))
    good = [number for number in range(20) if number != 1]
    used = [good[place] for place in (0, 1, 2, 8, 9, 10, 16, 17, 18)]
    assert np.array_equal(recorder.frames, [shown(twenty / f"{number}.png") for number in used])
    assert result["frames_decoded"] == 19


def test_large_folders_are_counted_without_decoding(twenty, monkeypatch):
    monkeypatch.setattr("i3d.decoding.probe.NEAR", 1)
    (twenty / "5.png").write_bytes(b"")
    assert probe(twenty, clip_length=16) == Probe(20, False, None, 96, 64, codec="png", declared=20)


def test_a_swap_meanwhile_makes_no_difference(twenty, tmp_path, monkeypatch):
    other = tmp_path / "other"
    shutil.copytree(twenty, other)
    picture(99).save(other / "12.png")
    expected, planned = decode(twenty)[0].frames, video_digest(twenty)
    reading = FrameFolder._read

    def swapping(self, name):
        if name == "5.png":
            twenty.rename(tmp_path / "kept")
            other.rename(twenty)
        return reading(self, name)

    monkeypatch.setattr(FrameFolder, "_read", swapping)
    recorder, result = decode(twenty)
    assert np.array_equal(recorder.frames, expected)
    assert (result["status"], result["digest"]) == ("ok", planned)
    assert video_digest(twenty) != planned


def test_the_digest_is_of_what_was_read(twenty, monkeypatch):
    """A picture is written anew before it is read, and put back after that."""
    planned, content, reading = video_digest(twenty), (twenty / "12.png").read_bytes(), FrameFolder._read

    def spoiling(self, name):
        if name == "12.png":
            picture(99).save(twenty / name)
        read = reading(self, name)
        (twenty / "12.png").write_bytes(content)
        return read

    monkeypatch.setattr(FrameFolder, "_read", spoiling)
    recorder, result = decode(twenty)
    assert not np.array_equal(recorder.frames[12], shown(twenty / "12.png"))
    assert result["digest"] != planned == video_digest(twenty)


def test_a_picture_that_comes_or_goes_meanwhile_is_a_change(twenty, monkeypatch):
    reading = FrameFolder._read

    def adding(self, name):
        picture(99).save(twenty / "20.png")
        return reading(self, name)

    monkeypatch.setattr(FrameFolder, "_read", adding)
    assert decode(twenty)[1]["reason"] == CHANGED


def test_by_way_of_the_ffmpeg_program(folder):
    """The folder that the original scripts made, through a worker, against Pillow alone."""
    ffmpeg(*pattern(30), "-start_number", "0", folder / "%d.jpg")
    end, frames, count = through_workers(folder)
    expected = [
        np.asarray(Image.open(folder / f"{number}.jpg").resize((340, 256), Image.Resampling.LANCZOS))
        for number in range(30)
    ]
    assert (end["status"], count) == ("ok", 30)
    assert np.array_equal(frames, expected)
