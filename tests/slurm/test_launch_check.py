"""The launch check against a real SLURM; its parts: tests/cluster/test_launch_check.py."""

import pytest

from i3d.cluster import launch_check as launch
from i3d.cluster.snakemake_internals import slurm_run
from i3d.errors import UserError
from tests.support.slurm_jobs import pair, workflow

pytestmark = pytest.mark.slurm
SOUND = {"slurm_account": "def-test_gpu", "slurm_partition": ""}


def test_a_sound_launch_passes():
    launch.check(slurm_run(workflow(*pair(**SOUND))), 180)


@pytest.mark.parametrize(
    ("changed", "longest", "nodes", "words"),
    [
        ({"slurm_account": "$SLURM_ACCOUNT"}, 180, 100, "export SLURM_ACCOUNT=NAME.*def-test_cpu, def-test_gpu"),
        ({"slurm_account": "def-test"}, 180, 100, "'def-test' is not one of yours"),
        (
            {"gres": "gpu:h100:1"},
            180,
            100,
            "gpu:a100_1g.5gb:1, gpu:a100_2g.10gb:1, gpu:a100_3g.20gb:1, gpu:a100_4g.20gb:1",
        ),
        ({}, 181, 100, "cpubase_bycore_b1 ends at 180.*gpubase_bygpu_b5"),
        ({}, 180, 1001, "set jobs in .* to 1000 or less"),
        ({"cpus_per_task": 9}, 180, 100, "SLURM would refuse these jobs .*node configuration is not available"),
        ({"gres": "gpu:a100_4g.20gb:5"}, 180, 100, "SLURM would refuse these jobs"),
    ],
)
def test_slurm_itself_says_what_does_not_fit(changed, longest, nodes, words):
    with pytest.raises(UserError, match=words):
        launch.check(slurm_run(workflow(*pair(**SOUND | changed), nodes=nodes)), longest)
