"""GPU requests in every spelling."""

import pytest

from i3d.cost.gpu_request import GpuRequest, parse_gres, read_request, request_of_members
from i3d.errors import UserError


@pytest.mark.parametrize(
    ("resources", "model", "count", "options"),
    [
        ({"gres": "gpu:a100_4g.20gb:1"}, "a100_4g.20gb", 1, "--gres=gpu:a100_4g.20gb:1"),
        ({"gres": "gpu:a100_4g.20gb"}, "a100_4g.20gb", 1, "--gres=gpu:a100_4g.20gb:1"),
        ({"gres": "gres/gpu:h100:1"}, "h100", 1, "--gres=gpu:h100:1"),
        ({"gres": "gres/gpu:h100=2"}, "h100", 2, "--gres=gpu:h100:2"),
        ({"gres": "gpu:h100:1,shard:1"}, "h100", 1, "--gres=gpu:h100:1,shard:1"),
        ({"gres": "shard:1,gpu:h100"}, "h100", 1, "--gres=gpu:h100:1,shard:1"),
        ({"gres": "gpu:2"}, "", 2, "--gres=gpu:2"),
        ({"gres": "gpu"}, "", 1, "--gres=gpu:1"),
        ({"gpu": 1, "gpu_model": "a100_3g.20gb"}, "a100_3g.20gb", 1, "--gpus=a100_3g.20gb:1"),
        ({"gpu_model": "a100"}, "a100", 1, "--gpus=a100:1"),
        ({"gpu": "1 * attempt"}, "", 1, "--gpus=1"),
        ({"gpu": 1, "gpu_model": "h100", "gres": "shard:1"}, "h100", 1, "--gpus=h100:1 --gres=shard:1"),
        ({"slurm_extra": "--nice --gpus=h100_2g.20gb:1"}, "h100_2g.20gb", 1, ""),
        ({"slurm_extra": "--gpus-per-node h100:1"}, "h100", 1, ""),
        ({"slurm_extra": "--tres-per-node=gres/gpu:h100:1"}, "h100", 1, ""),
        ({"slurm_extra": "-G h100:1"}, "h100", 1, ""),
        ({"slurm_extra": "-Gh100"}, "h100", 1, ""),
        ({"slurm_extra": "-G 1", "gres": ""}, "", 1, ""),
    ],
)
def test_every_spelling_is_read(resources, model, count, options):
    request = read_request(resources)
    assert (request.model, request.count, request.options) == (model, count, options)


@pytest.mark.parametrize(
    "resources",
    [{}, {"gres": "shard:1"}, {"gpu": 0, "gpu_model": "a100"}, {"slurm_extra": "--nice 'half"}, {"gres": "(null)"}],
)
def test_a_job_without_a_gpu_asks_for_none(resources):
    assert read_request(resources) is None


def test_names_of_one_slice_are_one_device():
    spellings = ("gpu:h100_2g.20gb:1", "gpu:nvidia_h100_80gb_hbm3_2g.20gb:1", "gpu:h100_2.20", "gres/gpu:h100_20gb=1")
    assert {parse_gres(gres).device for gres in spellings} == {"h100_2g.20gb"}
    assert parse_gres("gpu:gtx_1080:1").device == "gtx_1080"
    assert parse_gres("gpu:1").device == "gpu"


def test_what_sinfo_lists_is_read():
    assert parse_gres("gpu:a100:4(S:0-3)") == GpuRequest("a100", 4)
    assert parse_gres("(null)") is None


def test_rules_that_share_a_job_share_its_gpu():
    asked = {"gpu": 1, "gpu_model": "a100"}
    assert request_of_members([asked, asked]) == GpuRequest("a100", 1, "gpus")
    assert request_of_members([{}, {"gres": "gpu:a100"}]) == GpuRequest("a100", 1)
    assert request_of_members([{}, {}]) is None


def test_several_gpus_are_refused_where_a_job_asks_for_them():
    parse_gres("gpu:h100:1").refuse_several()
    with pytest.raises(UserError, match="asks for 2 GPUs, `gpu:2`, and a job uses one of them: write `gpu:1`"):
        read_request({"gpu": 2}).refuse_several()
