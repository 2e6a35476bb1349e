"""Settings that suit what was measured."""

import pytest

from i3d.cost.calibration import DecodeSpeed, NetworkSpeed, Recommendation
from i3d.selfcheck.recommend import recommend

GPU = [NetworkSpeed("fp32", 20, 20.0, 0, 7200.0), NetworkSpeed("bf16", 20, 98.0, 0, 4900.0)]
GPU += [NetworkSpeed("bf16", 40, 100.0, 0, 9800.0)]
DECODING = [DecodeSpeed(320, 240, "h264", processes, 500.0 * processes) for processes in (1, 3)]


def test_on_a_cluster_an_hour_of_what_the_slower_stage_manages():
    found = recommend(GPU, DECODING, frequency=16, cpus=4, on_gpu=True, cluster=True, start_seconds=10)
    assert found == Recommendation("bf16", 20, 3, 1, 5_400_000)  # 1500 frames a second, not 1568


def test_a_job_of_one_cpu_decodes_with_it():
    found = recommend(GPU, DECODING, frequency=16, cpus=1, on_gpu=True, cluster=True, start_seconds=10)
    assert (found.decode_processes, found.extract_threads) == (1, 1)


def test_on_a_cpu_both_stages_have_all_cpus_in_turn():
    network = [NetworkSpeed("fp32", 1, 5.0, 0, None)]
    found = recommend(network, DECODING, frequency=16, cpus=3, on_gpu=False, cluster=False, start_seconds=5)
    # 80 frames a second by the network, 1500 by decode: 75.9 in turn; starting for 5 s is 5 % of 100 s.
    assert found == Recommendation("fp32", 1, 3, 3, 7_500)


@pytest.mark.parametrize(("rate", "frames"), [(0.1, 1_000), (1000.0, 20_000)])
def test_a_local_bundle_is_neither_tiny_nor_fills_the_disk(rate, frames):
    network = [NetworkSpeed("fp32", 1, rate, 0, None)]
    found = recommend(network, [], frequency=16, cpus=2, on_gpu=False, cluster=False, start_seconds=5)
    assert found.bundle_frames == frames
