"""The calibration file: what fits is found, what does not is told."""

import errno
import re
import subprocess
import sys
from multiprocessing import get_context

import msgspec
import pytest

from i3d.cost import calibration
from i3d.cost.calibration import Key, find, passed_precisions, refuse_failed, save
from i3d.errors import UserError

KEY = Key(
    device="a100_4g.20gb", torch="2.11.0", model="i3d_r50", sample_mode="oversample", clip_length=16, precision="bf16"
)
IN_A_JOB = msgspec.structs.replace(KEY, device="NVIDIA A100-SXM4-40GB MIG 4g.20gb", cudnn="9.13.1")


def but(key, **fields):
    return msgspec.structs.replace(key, **fields)


@pytest.fixture
def path(tmp_path, measured):
    path = tmp_path / "resources/calibration.json"
    save(path, measured)
    return path


def test_what_was_saved_is_found_by_a_plan_and_by_a_job(path, measured):
    assert find(path, KEY) == calibration.Found(measured)
    assert find(path, IN_A_JOB) == calibration.Found(measured)
    assert find(path, KEY).calibration.best("bf16").batch_size == 20


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"torch": "2.12.0"}, "was with torch 2.11.0, and now it is torch 2.12.0"),
        ({"cudnn": "9.19.0"}, "was with cuDNN 9.13.1, and now it is cuDNN 9.19.0"),
        ({"model": "i3d_r50_nl"}, "was with i3d_r50, and now it is i3d_r50_nl"),
        ({"sample_mode": "center_crop"}, "was with oversample, and now it is center_crop"),
        ({"clip_length": 32}, "was with clip_length 16, and now it is clip_length 32"),
        ({"device": "a100_3g.20gb"}, "was run on a100_4g.20gb, not on a100_3g.20gb"),
        ({"precision": "tf32"}, "precision tf32 failed the self-check on a100_4g.20gb"),
        ({"precision": "fp16"}, "did not measure precision fp16"),
    ],
)
def test_a_stale_key_is_told_by_the_field_that_differs(path, fields, words):
    found = find(path, but(KEY, **fields))
    assert found.calibration is None
    assert words in found.reason


def test_the_nearest_entry_gives_the_reason(path, changed):
    save(path, changed(sample_mode="center_crop", torch="2.10.0"))
    assert "was with torch 2.11.0, and now it is torch 2.12.0:" in find(path, but(KEY, torch="2.12.0")).reason


def test_no_file_and_a_damaged_one_are_reasons_too(tmp_path):
    path = tmp_path / "calibration.json"
    assert "no self-check has been run" in find(path, KEY).reason
    for content in (b'{"calibrations": [{"device": 3}]}', b'{"calibrations": [{"device": "\xff"}]}'):
        path.write_bytes(content)
        assert re.search(r"calibration.json is no calibration file .*", find(path, KEY).reason)
        assert passed_precisions(path, KEY) is None
        refuse_failed(path, KEY)


def test_machines_keep_their_entries_and_a_new_check_replaces_its_own(path, measured, changed):
    login = changed(device="AMD EPYC 7543", hardware="AMD EPYC 7543", cudnn=None)
    again = changed(torch="2.12.0", measured="2026-12-01T08:00:00+00:00")
    save(path, login)
    save(path, again)
    assert calibration.read(path) == [login, again]


def test_entries_saved_at_the_same_time_all_stay(path, changed):
    context = get_context("spawn")
    writers = [context.Process(target=save, args=(path, changed(clip_length=length))) for length in range(8, 14)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert {entry.clip_length for entry in calibration.read(path)} == {16, *range(8, 14)}


def test_a_file_system_without_locks_is_no_obstacle(path, measured, changed, monkeypatch):
    def flock(file, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(calibration.fcntl, "flock", flock)
    save(path, changed(clip_length=32))
    assert calibration.read(path) == [measured, changed(clip_length=32)]


def test_a_damaged_file_is_kept_beside_the_new_one(path, measured):
    path.write_text("half a fi")
    save(path, measured)
    assert calibration.read(path) == [measured]
    assert path.with_name("calibration.json.damaged").read_text() == "half a fi"


def test_a_place_that_cannot_be_written_is_named(tmp_path, measured):
    (tmp_path / "resources").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write .*calibration.json"):
        save(tmp_path / "resources/calibration.json", measured)


def test_a_failed_precision_is_refused_in_one_sentence(path):
    with pytest.raises(
        UserError, match="tf32 failed the self-check on .*4g.20gb on 2026-11-24 .*3.0e-02.*set precision: bf16"
    ):
        refuse_failed(path, but(IN_A_JOB, precision="tf32", sample_mode="center_crop", clip_length=32))


@pytest.mark.parametrize(
    "fields", [{"precision": "bf16"}, {"cudnn": "9.19.0"}, {"torch": "2.12.0"}, {"device": "NVIDIA H100"}]
)
def test_nothing_else_is_refused(path, fields):
    refuse_failed(path, but(IN_A_JOB, **{"precision": "tf32"} | fields))


def test_the_precisions_that_passed(path):
    assert passed_precisions(path, IN_A_JOB) == {"fp32", "bf16"}
    assert passed_precisions(path, but(IN_A_JOB, cudnn="9.19.0")) is None


def test_planning_needs_neither_torch_nor_numpy_for_it():
    code = (
        "import sys, i3d.cost.speeds, i3d.cost.prices_in_words, i3d.cost.machine;"
        "print({'torch', 'numpy', 'av'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
