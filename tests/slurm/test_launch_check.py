"""The launch check against a real SLURM; its parts: tests/cluster/test_launch_check.py."""

import re

import pytest

from i3d.cluster import launch_check as launch
from i3d.cluster.snakemake_internals import slurm_run
from i3d.cost.devices import offers
from i3d.errors import UserError
from tests.support.slurm_cluster import LIMITED, QOS
from tests.support.slurm_jobs import pair, workflow
from tests.support.slurm_project import limited

pytestmark = pytest.mark.slurm
SOUND = {"slurm_account": "def-test_gpu", "slurm_partition": ""}


def test_a_sound_launch_passes():
    launch.check(slurm_run(workflow(pair(**SOUND))), 180, offers("narval"))


@pytest.mark.parametrize(
    ("changed", "longest", "nodes", "words"),
    [
        ({"slurm_account": "$SLURM_ACCOUNT"}, 180, 100, "export I3D_ACCOUNT=NAME.*def-test_cpu, def-test_gpu"),
        ({"slurm_account": "def-test"}, 180, 100, "'def-test' is not one of yours"),
        ({"gres": "gpu:a100_4g.40gb:1"}, 180, 100, 'write `gres: "gpu:h100_2g.20gb:1"`.*it has a100, a100_1g.5gb, '),
        ({"gres": None, "gpu": 1, "gpu_model": "a100_4g.40gb"}, 180, 100, "does not offer the GPU 'a100_4g.40gb'"),
        ({}, 181, 100, "cpubase_bycore_b1 ends at 180.*gpubase_bygpu_b5"),
        ({}, 180, 1001, "more than the 1000 that each user of the QOS normal may have"),
        ({"cpus_per_task": 9}, 180, 100, "SLURM would refuse these jobs .*node configuration is not available"),
        ({"gres": "gpu:a100_4g.20gb:5"}, 180, 100, "asks for 5 GPUs, `gpu:a100_4g.20gb:5`, and a job uses one"),
        ({"qos": "gold"}, 180, 100, "SLURM would refuse these jobs .*Invalid qos"),
        ({"slurm_extra": "--constraint=gold"}, 180, 100, "SLURM would refuse these jobs .*Invalid feature"),
        ({"slurm_extra": "--reservation=gold"}, 180, 100, "SLURM would refuse these jobs .*[Rr]eservation"),
    ],
)
def test_slurm_itself_says_what_does_not_fit(changed, longest, nodes, words):
    with pytest.raises(UserError, match=words):
        launch.check(slurm_run(workflow(pair(**SOUND | changed), nodes=nodes)), longest, offers("narval"))


@pytest.mark.parametrize(
    "asked",
    [
        {"gres": "gpu:a100_4g.20gb"},
        {"gres": None, "gpu": 1, "gpu_model": "a100_4g.20gb"},
        {"gres": "gpu:nvidia_h100_80gb_hbm3_2g.20gb:1"},
        {"gres": None, "slurm_extra": "--gpus=h100_2g.20gb:1"},
    ],
)
def test_gpus_may_be_asked_for_in_any_spelling(asked):
    launch.check(slurm_run(workflow(pair(**SOUND | asked))), 180, offers("narval"))


@pytest.mark.xdist_group("limits")
def test_limits_of_account_and_qos_count():
    for kind, name, asked in (("account", LIMITED, {"slurm_account": LIMITED}), ("qos", QOS, {"qos": QOS})):
        with limited(kind, name, "GrpSubmitJobs=7"), pytest.raises(UserError, match=f"7 that the (account|QOS) {name}"):
            launch.check(slurm_run(workflow(pair(**SOUND | asked), nodes=8)), 180, offers("narval"))


def test_a_controller_that_is_down_is_no_refusal(running_cluster, tmp_path, monkeypatch):
    conf = (running_cluster / "slurm.conf").read_text()
    (tmp_path / "slurm.conf").write_text(re.sub("SlurmctldPort=.*", "SlurmctldPort=9\nSlurmctldTimeout=1", conf))
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    with pytest.raises(UserError, match="SLURM does not answer now .*try again later"):
        launch.check(slurm_run(workflow(pair(**SOUND))), 180, offers("narval"))
