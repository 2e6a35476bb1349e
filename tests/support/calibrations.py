"""A calibration to look up."""

from i3d.cost.calibration import Calibration, DecodeSpeed, NetworkSpeed, Recommendation

MEASURED = Calibration(
    device="a100_4g.20gb",
    torch="2.11.0",
    cudnn="9.13.1",
    model="i3d_r50",
    sample_mode="oversample",
    clip_length=16,
    hardware="NVIDIA A100-SXM4-40GB MIG 4g.20gb",
    measured="2026-11-24T14:32:10+00:00",
    host="ng10204",
    cpus=4,
    facts={"driver": "570.86.15"},
    passed=("fp32", "bf16"),
    failed={"tf32": "error 3.0e-02 in layer1.0.conv2 of 28 kinds of convolution, allowed is 2e-03"},
    network=(
        NetworkSpeed("fp32", 20, 20.0, 3.0, 7200.0),
        NetworkSpeed("bf16", 10, 90.0, 3.0, 2500.0),
        NetworkSpeed("bf16", 20, 100.0, 3.0, 4900.0),
    ),
    decoding=(
        DecodeSpeed(320, 240, "h264", 1, 600.0),
        DecodeSpeed(320, 240, "h264", 3, 1500.0),
        DecodeSpeed(1280, 720, "h264", 3, 300.0),
    ),
    start_seconds=12.0,
    pipe_frames_per_second=1400.0,
    recommended=Recommendation("bf16", 20, 3, 1, 4_000_000),
)
