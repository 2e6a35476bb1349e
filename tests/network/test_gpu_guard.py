"""Which precisions are refused on which cuDNN."""

import pytest
import torch

from i3d.errors import UserError
from i3d.network.gpu_guard import check_precision, gpu_versions, version_text

ON_TENSOR_CORES = ("tf32", "bf16", "fp16")


@pytest.mark.parametrize("precision", ON_TENSOR_CORES)
@pytest.mark.parametrize(("cudnn", "spelled"), [(90800, "9.8.0"), (91301, "9.13.1"), (91599, "9.15.99")])
def test_a_doubtful_cudnn_needs_a_self_check(precision, cudnn, spelled):
    with pytest.raises(UserError, match=f"^precision: cuDNN {spelled} is known to give wrong {precision} conv"):
        check_precision("cuda", precision, cudnn, passed=None)
    check_precision("cuda", precision, cudnn, passed={precision})


@pytest.mark.parametrize("precision", ON_TENSOR_CORES)
def test_what_failed_the_self_check_is_refused_whatever_the_cudnn(precision):
    for cudnn in (90799, 91301, 91900):
        with pytest.raises(UserError, match=f"^precision: {precision} did not pass the self-check.* fp32"):
            check_precision("cuda", precision, cudnn, passed=set(ON_TENSOR_CORES) - {precision})


@pytest.mark.parametrize(
    ("device", "precision", "cudnn", "passed"),
    [
        ("cuda", "bf16", 90799, None),
        ("cuda", "bf16", 91600, None),
        ("cuda", "fp32", 91301, None),
        ("cuda", "fp32", 91301, set()),
        ("cpu", "bf16", 91301, None),
        ("cpu", "bf16", 91301, set()),
        ("cuda", "tf32", None, None),
    ],
)
def test_nothing_else_is(device, precision, cudnn, passed):
    check_precision(device, precision, cudnn, passed)


def test_versions_of_a_gpu_are_recorded(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91301)
    monkeypatch.setattr(torch.version, "cuda", "12.9")
    assert gpu_versions(torch.device("cuda")) == {"cuda": "12.9", "cudnn": "9.13.1"}
    assert gpu_versions(torch.device("cpu")) == {}
    assert version_text(8907) == "8.9.7"
