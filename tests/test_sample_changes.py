"""The map in CONTRIBUTING is true: a sample change for each row, made in the files that it names, has its effect."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT

COPIED = ("i3d", "config", "profiles", "scripts", "docs")


@dataclass(frozen=True)
class Change:
    """What is replaced in which file, or a new file's text, and a check that fails without it."""

    edits: dict[str, tuple[str, str] | str]
    check: str


PROJECT = """
from pathlib import Path
from tempfile import mkdtemp
from tests.support.finished_trees import write_tree
folder = Path(mkdtemp(dir='.'))
features = write_tree(folder, (("test/normal/a.mp4", 2, 0, 33, 25),), dim=8)
"""

CHANGES = {
    "the backbone": Change(
        {
            "i3d/backbones/torchvision_video.py": (
                "BACKBONES = (\n",
                'BACKBONES = (\n    video("mc3_18", "MC3_18", 512, 43.3, 0.4, input_size=112, licence=""),\n',
            )
        },
        """
from i3d.config import complete
settings = complete({"model": "mc3_18", "weights": "random", "clip_length": 8, "sample_mode": "center_crop"})
from i3d.backbones import BACKBONES
assert BACKBONES[settings.model].dim == 512 and BACKBONES[settings.model].default_weights("mc3_18")
""",
    ),
    "a crop mode": Change(
        {
            "i3d/specs.py": (
                '    "center_crop": SampleMode(',
                '    "five_crops": SampleMode(FIVE_CROPS, mirrored=False),\n    "center_crop": SampleMode(',
            )
        },
        """
from i3d.config import complete
from i3d.specs import SAMPLE_MODES
mode = SAMPLE_MODES[complete({"sample_mode": "five_crops"}).sample_mode]
import torch
from i3d.backbones.library_network import crops_of
frames = torch.arange(256 * 340).reshape(256, 340)
crops = list(crops_of(frames, mode))
assert len(crops) == mode.crops == 5 and crops[2][0, 0] == 16 * 340 + 58
""",
    ),
    "the decoder": Change(
        {
            "i3d/decoding/decord_reader.py": (
                "def distrust(",
                "def distrust(*_):\n    return 'the sample change'\n\n\ndef distrust_as_before(",
            )
        },
        """
import json, subprocess, sys
from pathlib import Path
from tests.support.workflow import write_clip
write_clip(Path("a.mp4"), 17)
script = Path(__import__("i3d").__file__).parents[1] / "scripts/decode.py"
done = subprocess.run(
    [sys.executable, script, "--decoder=decord", "--output=frames", "a.mp4"], capture_output=True, text=True
)
assert "pyav" in done.stderr and b"the sample change" in Path("frames").read_bytes(), done.stderr
""",
    ),
    "folders of pictures": Change(
        {"i3d/frame_folders.py": ('"webp"}', '"webp", "ppm"}')},
        """
from i3d.frame_folders import numbered
assert numbered(["2.ppm", "10.ppm"]) == [(2, "2.ppm"), (10, "10.ppm")]
""",
    ),
    "a column of `metadata.csv`": Change(
        {
            "i3d/records/record.py": (
                "    width: int | None = None",
                "    gpu_seconds: float | None = None  # of the network\n    width: int | None = None",
            )
        },
        PROJECT
        + """
import csv
from i3d.records import journal
from i3d.records.record import COLUMNS, VideoRecord
from i3d.results.metadata import read_metadata
assert COLUMNS.index("gpu_seconds") == COLUMNS.index("fps") + 1
journal.append(Path("a.jsonl"), [VideoRecord(video="a.mp4", status="skipped", gpu_seconds=1.5)])
assert [record.gpu_seconds for record in journal.read(Path("a.jsonl"))] == [1.5]
rows = list(csv.DictReader((features / "metadata.csv").open()))
with (features / "metadata.csv").open("w") as file:
    writer = csv.DictWriter(file, [*rows[0], "gpu_seconds"] if "gpu_seconds" not in rows[0] else [*rows[0]])
    writer.writeheader()
    writer.writerows({**row, "gpu_seconds": "2.5"} for row in rows)
assert [row.gpu_seconds for row in read_metadata(features / "metadata.csv")] == [2.5]
""",
    ),
    "a cluster's profile": Change(
        {"profiles/narval/config.yaml": ('gres: "gpu:a100_4g.20gb:1"\n  #', 'gres: "gpu:a100_2g.10gb:1"\n  #')},
        """
import i3d, yte
from pathlib import Path
from i3d.cost.gpu_request import read_request
profile = yte.process_yaml((Path(i3d.__file__).parents[1] / "profiles/narval/config.yaml").read_text())
assert read_request(profile["default-resources"]).model == "a100_2g.10gb"
""",
    ),
    "a GPU, or what a cluster charges for it": Change(
        {
            "i3d/cost/devices.csv": (
                "a100_1g.5gb,a100,",
                "b200,,,,NVIDIA B200,180,148,8000,75,1100,2250,2250,1,1,data sheet,2026-11\na100_1g.5gb,a100,",
            ),
            "i3d/cost/clusters.csv": (
                "narval,a100_1g.5gb,",
                "narval,b200,b200,30,3.00,31.1,made up,2026-11\nnarval,a100_1g.5gb,",
            ),
        },
        """
from i3d.cost.devices import device, offers
assert device("b200").peak("bf16") == 2250 and offers("narval")["b200"].charged(6, 40) == 30
""",
    ),
    "the snippet rule": Change(
        {"i3d/snippets.py": ("return frames <= self.clip_length", "return frames < self.clip_length")},
        PROJECT
        + """
from i3d.decoding.probe import Probe
from i3d.planning.decide import why_too_short_or_unreadable
from i3d.snippets import SnippetRule
rule = SnippetRule(16, 16)
assert rule.snippets(16) == 1 and not rule.is_too_short(16)
assert why_too_short_or_unreadable(Probe(frames=16, exact=True), rule) is None
""",
    ),
    "an export": Change(
        {
            "i3d/exports/all_exports.py": (
                "\n\nEXPORTS = (\n",
                "\n\ndef frame_counts(split: Split, path: Path) -> Files:\n"
                '    return {path: text_of([f"{row.video} {row.frames_decoded}" for row in split.rows])}\n'
                "\n\nEXPORTS = (\n"
                '    Export("lists", lists_folder, "{split}_frames.txt", _every, frame_counts),\n',
            )
        },
        PROJECT
        + """
from i3d.config import complete
from i3d.exports.making import make
make("lists", features / "metadata.csv", complete({"lists": {"folder": str(folder / "lists")}}), ())
assert (folder / "lists/test_frames.txt").read_text() == "test/normal/a.mp4 33\\n"
""",
    ),
    "a data set": Change(
        {
            "config/datasets/seventh.yaml": "title: Seventh\nsee: made up\nvideos:\n"
            '  - {path: "calm_*", category: calm}\n  - {path: "*", category: fight}\nnormal: [calm]\n'
            "splits:\n  test: {lists: [test.txt]}\n"
        },
        """
from i3d.datasets.sheet import known_sheets, read_sheet
rules = read_sheet("seventh")
assert "seventh" in known_sheets()
assert [rules.label(rules.category(name)) for name in ("calm_1.mp4", "a.mp4")] == [0, 1]
""",
    ),
    "batching": Change(
        {"i3d/network/engine.py": ("min(batch_size, CPU_BATCH)", "min(batch_size, 3)")},
        """
import torch
from i3d.backbones import backbone
from i3d.network.engine import Engine
from i3d.settings import NumericSettings
weights = backbone("s3d").random_weights()
assert Engine(NumericSettings(model="s3d"), weights, torch.device("cpu"), batch_size=20).batch_size == 3
""",
    ),
    "bundling": Change(
        {"i3d/records/bundles.py": ("if group and total + weight > bundle_frames:", "if len(group) == 2:")},
        """
from i3d.records.bundles import BundleEntry, pack
entries = [BundleEntry(video=str(i), path="", feature="", digest="", frames=10) for i in range(5)]
assert [len(group) for group in pack(entries, 1000)] == [2, 2, 1]
""",
    ),
    "a figure of the report": Change(
        {
            "i3d/report/figures.py": (
                '"videos with features, by duration and by number of snippets"',
                '"the sample change"',
            )
        },
        PROJECT
        + """
from i3d.report import figures
from i3d.results.metadata import read_metadata
figures.save(figures.lengths(read_metadata(features / "metadata.csv")), Path("lengths.svg"))
assert "the sample change" in Path("lengths.svg").read_text()
""",
    ),
    "a setting": Change(
        {
            "i3d/settings.py": (
                "    batch_size: Annotated[",
                '    gray: Annotated[bool, Meta(description="frames without colours")] = False\n'
                "    batch_size: Annotated[",
            )
        },
        """
import subprocess, sys, i3d
from pathlib import Path
from i3d.config import as_dict, complete
from i3d.errors import UserError
root = Path(i3d.__file__).parents[1]
assert as_dict(complete({"gray": True}))["gray"] is True
try:
    complete({"gray": "maybe"})
    raise SystemExit("no check")
except UserError as error:
    assert "gray" in str(error)
subprocess.run([sys.executable, root / "scripts/document_settings.py"], check=True)
assert "gray" in (root / "config/schema.yaml").read_text() and "`gray`" in (root / "docs/settings.md").read_text()
""",
    ),
    "what the terminal shows": Change(
        {"i3d/progress/screen.py": ("{state.videos_done:,}/{state.videos:,} videos", "{state.videos_done:,} done")},
        """
import io
from rich.console import Console
from i3d.progress.screen import picture
from tests.progress.test_screen import state
console = Console(file=io.StringIO(), width=120)
console.print(picture(state(), 5))
assert " done" in console.file.getvalue().splitlines()[0], console.file.getvalue()
""",
    ),
}


def rows_of_the_map() -> dict[str, str]:
    """Subject -> files, from the table in CONTRIBUTING."""
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("## To change X, open Y")[2].partition("**Add")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| ")][1:]
    return {subject.strip(): files for subject, files in rows}


def run(check: str, package: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a check in a folder, with the package that lies in another."""
    return subprocess.run(
        [sys.executable, "-c", check],
        cwd=folder,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": f"{package}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_row_but_the_resizes_has_a_sample_change():
    assert rows_of_the_map().keys() - CHANGES.keys() == {"the resize"}  # whose own tests compile its text anew


@pytest.mark.parametrize("subject", CHANGES)
def test_a_sample_change_works_in_the_files_that_the_map_names(subject, tmp_path):
    change, package, folder = CHANGES[subject], tmp_path / "copy", tmp_path / "folder"
    named = re.findall(r"`([^`\s]+/[^`\s]*)`", rows_of_the_map()[subject])
    for name in COPIED:
        shutil.copytree(ROOT / name, package / name)
    folder.mkdir()
    before = run(change.check, ROOT, folder)
    assert before.returncode, "the check passes without the change"
    for path, edit in change.edits.items():
        assert path in named or any(each.endswith("/") and path.startswith(each) for each in named), path
        if isinstance(edit, str):
            (package / path).write_text(edit)
            continue
        old, new = edit
        text = (package / path).read_text()
        assert old in text, f"{path} has changed: mend the sample change"
        (package / path).write_text(text.replace(old, new, 1))
    after = run(change.check, package, folder)
    assert after.returncode == 0, after.stderr
