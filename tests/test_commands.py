"""Commands as messages name them; tests/workflow/test_hints.py runs them."""

import pytest

from i3d import commands


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.delenv("I3D_COMMAND", raising=False)


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ([], "`snakemake --cores 1 lists`"),
        (["--cores", "4", "-n", "all"], "`snakemake --cores 1 lists`"),
        (["-s", "w/Snakefile", "-d", "my data"], "`snakemake --snakefile w/Snakefile --directory 'my data' --cores 1 lists`"),  # noqa: E501
        (["--config", "videos=a b", "fps=5", "-c2"], "`snakemake --config 'videos=a b' fps=5 --cores 1 lists`"),
        (["--configfile", "a.yaml", "b.yaml", "-j1"], "`snakemake --configfile a.yaml b.yaml --cores 1 lists`"),
        (["--profile", "p", "--configfile", "a.yaml"], "`snakemake --configfile a.yaml --profile p lists`"),
        (["--profile", "profiles/narval"], "`snakemake --profile profiles/narval lists`"),
        (["--profile=p", "--workflow-profile=none"], "`snakemake --profile p --workflow-profile none lists`"),
    ],
)  # fmt: skip
def test_a_command_carries_what_the_run_was_given(given, command):
    commands.remember(given)
    assert commands.snakemake("lists") == command


def test_settings_are_added_and_replaced():
    commands.remember(["--config", "videos=a", "orphaned=no"])
    said = commands.snakemake("orphaned", config={"orphaned": "all"}, cores="all")
    assert said == "`snakemake --config videos=a orphaned=all --cores all orphaned`"


def test_a_job_names_the_commands_of_its_run():
    commands.remember(["-d", "data"])
    commands.remember(["--snakefile", "/w/Snakefile", "--target-jobs", "extract:bundle=0"])
    assert commands.snakemake("lists") == "`snakemake --directory data --cores 1 lists`"


def test_a_module_may_rename_its_rules():
    commands.remember([], "i3d_*")
    assert commands.snakemake("lists") == "`snakemake --cores 1 i3d_lists`"
    assert commands.snakemake("--unlock") == "`snakemake --cores 1 --unlock`"


def test_other_programs_arguments_are_no_error():
    commands.remember(["--directory"])
    assert commands.snakemake("lists") == "`snakemake --cores 1 lists`"
