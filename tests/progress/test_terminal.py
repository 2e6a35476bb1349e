"""What a person sees of a run: in its terminal, in another one, in a file, after Ctrl-C."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from i3d.backbones import backbone
from tests.support.terminal import CTRL_C, Terminal
from tests.support.workflow import CLIPS, TWO_BUNDLES, Workflow, wait_until, write_clip

pytestmark = pytest.mark.workflow

CORES = ("--cores", "2")
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.fixture
def workflow(tmp_path) -> Workflow:
    return Workflow(tmp_path / "run", bundle_frames=TWO_BUNDLES)


def extracting(workflow: Workflow) -> bool:
    """Whether extract has begun to take frames."""
    files = (workflow.work / "progress/extract").glob("*.json")
    return any('"started":1' in path.read_text() for path in files)


def test_a_run_moves_in_its_terminal_and_in_another_one(workflow):
    run = Terminal(workflow.command(*CORES), workflow.folder, PATH=PATH)
    assert wait_until((workflow.work / "progress/run.json").exists, lambda: run.going), run.drawn
    watch = Terminal([sys.executable, "scripts/watch.py"], workflow.folder)
    assert run.end() == 0
    assert watch.end() == 0

    assert "bundles: 0 of 2 done" in run.drawn and "0/5 videos" in run.drawn
    for terminal in (run, watch):
        assert " of 2 done" in terminal.drawn and "/5 videos" in terminal.drawn and "extract" in terminal.drawn
    assert watch.shown == ["The run has ended; features/metadata.csv tells what became of each video."]
    done, videos, table, advice, *_ = run.shown[[line[:5] for line in run.shown].index("done ") :]
    assert done.startswith("done      5 features in ") and advice.startswith("next ")
    assert videos == "videos    5: 5 with features, 0 skipped, 0 failed"
    assert "features/metadata.csv has a row" in table
    assert "━" not in "".join(run.shown)
    assert "rule " not in run.drawn and "steps" not in run.drawn
    assert not (workflow.work / "progress").exists()

    again = subprocess.run(
        [sys.executable, "scripts/watch.py"],
        cwd=workflow.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert again.stderr == "error: features: no run is at work there; `python scripts/status.py` shows what is done\n"
    status = subprocess.run(
        [sys.executable, "scripts/status.py"],
        cwd=workflow.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "5: 5 present, 0 to extract" in status.stdout


def test_ctrl_c_leaves_one_line_and_keeps_what_is_done(workflow):
    write_clip(workflow.video("train_val/anomaly/long.mp4"), 400)  # so that the run is far from its end
    run = Terminal(workflow.command(*CORES), workflow.folder, PATH=PATH)
    assert wait_until(lambda: extracting(workflow), lambda: run.going), run.drawn
    run.press(CTRL_C)
    assert run.end() == 1, run.drawn
    told = "\n".join(run.shown)
    assert "Stopping on your request, once running jobs have ended; what is finished is kept.\n" in told
    assert "Traceback" not in run.drawn and "CalledProcessError" not in run.drawn and "rule " not in run.drawn
    assert "━" not in told
    for stage in ("decode", "extract"):
        assert "Traceback" not in workflow.log(stage)
    assert workflow.log("extract").rstrip().endswith("stopped by Ctrl-C")
    assert re.search("^stopped   [01] features? in", told, re.M) and "it goes on where this run ended" in told


@pytest.fixture
def failing(workflow) -> list[str]:
    """The command of a run of one bundle in which every video fails."""
    path = workflow.folder / "overflowing.pth"
    weights = backbone("i3d_r50").random_weights()
    torch.save({key: value * 1e9 if value.dim() == 5 else value for key, value in weights.items()}, path)
    return workflow.command(*CORES, weights=path.name, bundle_frames=1000)


def check_errors(lines: list[str]) -> None:
    """Each video's error once, as it happens; then the summary; the errors in brief are the last word."""
    for video in CLIPS:
        assert sum(line.startswith(f"error: {video}: failed: NaN or Inf") for line in lines) == 1, "\n".join(lines)
    summary = next(place for place, line in enumerate(lines) if line.startswith("done      0 features"))
    assert "videos    5: 0 with features, 0 skipped, 5 failed" in lines[summary:]
    assert lines[-2].startswith("error: 5 videos failed") and "NaN or Inf in the features" in lines[-1]
    assert "rule " not in "".join(lines) and "━" not in "".join(lines)


def test_errors_on_a_terminal_stay_whole(workflow, failing):
    run = Terminal(failing, workflow.folder, columns=200, PATH=PATH)
    assert run.end() == 1
    check_errors(run.shown)


def test_a_dry_run_lists_the_place_features(workflow):
    done = subprocess.run(
        workflow.command(*CORES, "-n"),
        cwd=workflow.folder,
        env=os.environ | {"PATH": PATH},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    listed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("    output: ")]
    assert {path for path in listed if path.endswith(".npy")} == {
        f"features/{Path(video).with_suffix('.npy')}" for video in CLIPS
    }
    assert not (workflow.folder / "logs/last_config.yaml").exists()
