"""docs/data.md: every column is described, its programs run, its sheet is one."""

import re

import numpy as np
import pytest
import yaml

from i3d.config import complete
from i3d.datasets.naming import open_dataset
from i3d.datasets.sheet import known_sheets
from i3d.records.record import COLUMNS
from i3d.results.run_summary import Account, removal_summary, run_summary
from i3d.settings import NumericSettings
from tests.support.finished_trees import write_tree
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/data.md").read_text()


def described(section: str) -> list[str]:
    """The names in the first column of a section's table."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [name for line in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`(\w+)`", line)]


def test_every_column_is_described():
    assert sorted(described("metadata.csv, column by column")) == sorted(COLUMNS)


def test_every_key_of_a_runs_summary_is_described(tmp_path):
    ours = {*run_summary(Account({}), tmp_path, NumericSettings(), "", {}), *removal_summary([], NumericSettings(), "")}
    original = {"run_date", "total_videos", "videos_skipped", "skipped_video_list", "processed_videos"}
    assert sorted(described("feature_config.txt")) == sorted(ours - original)
    assert all(f"`{key}`" in PAGE for key in original)


def test_every_sheet_is_listed():
    assert re.findall(r"^\| `(\w+)` \| ", PAGE.partition("### A sheet")[0], re.M) and all(
        f"| `{name}` |" in PAGE for name in known_sheets()
    )


def test_the_programs_run(tmp_path, monkeypatch):
    write_tree(tmp_path, [("train_val/anomaly/a.mp4", 40, 1, 650, 30), ("train_val/normal/b.mp4", 3, 0, 50, 30)], dim=6)
    csv = tmp_path / "features/metadata.csv"
    lines = csv.read_text().splitlines()
    names = ("dim", "frames_declared", "width", "height")
    csv.write_text("\n".join([f"{lines[0]},{','.join(names)}", *(f"{line},6,,64,48" for line in lines[1:])]) + "\n")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(program, names)
    assert names["feature"].shape == (40, 10, 6) and np.array_equal(names["centre"], names["feature"][:, 2])
    assert str(names["table"].dtypes["snippets"]) == "Int64" and names["table"]["frames_declared"].isna().all()
    dataset = names["Features"]("features", "train_val")
    (first, label), (second, other) = dataset[0], dataset[1]
    assert first.shape == second.shape == (32, 10, 6) and (label, other) == (1, 0)
    assert first[0, 0, 0] == names["feature"][0:1, 0, 0].mean()
    assert second[:11, 0, 0].tolist() == [100.0] * 11, "three snippets, each repeated"


def test_the_sheet_is_one(tmp_path):
    text = re.search(r"<!-- sheet:begin -->\s*```yaml\n(.*?)```", PAGE, re.S)[1]
    assert yaml.safe_load(text)["title"] == "Seventh"
    (tmp_path / "seventh.yaml").write_text(text)
    (tmp_path / "train.csv").write_text("fight-1.mp4\n")
    dataset = open_dataset(complete({"videos": str(tmp_path), "dataset": str(tmp_path / "seventh.yaml")}))
    names = dataset.names(["x/fight-1.mp4", "x/duplicates/fight-1.mp4", "a/evening/quiet-2.mp4"]).of
    assert [(name.split, name.category, name.label) for name in names.values()] == [
        ("train", "fight", "1"),
        ("", "", ""),
        ("test", "quiet", "0"),
    ]


@pytest.mark.parametrize("target", re.findall(r"snakemake --cores \d ([a-z_ ]+?) --config", PAGE))
def test_its_commands_name_targets(target):
    rules = (ROOT / "rules/export.smk").read_text()
    assert all(f'"{name}"' in rules or f"rule {name}:" in rules for name in target.split())
