"""Weights: every kind of file gives the same tensors, and a wrong one is refused with a hint that helps."""

import os
import pickle
import re
import subprocess
import sys
import warnings
import zipfile
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from i3d.backbones import backbone
from i3d.backbones.i3d_r50 import I3D
from i3d.backbones.i3d_r50.layers import empty_model
from i3d.digests import file_sha256
from i3d.errors import UserError
from i3d.network import weights
from i3d.network.weights import load_state_dict, read_state_dict
from scripts.convert_weights import convert_weights
from tests.support import reference_inputs
from tests.support.paths import SCRIPTS
from tests.support.python2 import python2_pickle

SCRIPT = SCRIPTS / "convert_weights.py"


def whole(model: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors in a state dict, classifier and counters included."""
    state = empty_model(backbone(model).nonlocal_blocks).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def shrunk(model: str) -> dict[str, tuple[int, ...]]:
    """The same with shapes of at most two values a side: for what hangs on names alone."""
    return {name: tuple(min(size, 2) for size in shape) for name, shape in whole(model).items()}


@dataclass(frozen=True, kw_only=True)
class Expecting(I3D):
    """An I3D that expects other tensors."""

    shapes: dict[str, tuple[int, ...]]

    def expected_shapes(self):
        return {name: shape for name, shape in self.shapes.items() if not self.is_left_out(name)}


def load(path, expected, sha256=None) -> dict[str, torch.Tensor]:
    """The weights in a file, for an I3D that expects these tensors."""
    return load_state_dict(path, Expecting(**asdict(backbone("i3d_r50")), shapes=expected), sha256)


def tensors(shapes) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in reference_inputs.state_dict(shapes).items()}


def blob_name(name: str) -> str:
    """The Caffe2 name of a state dict's name, as the reference's description has it."""
    module, parameter = name.rsplit(".", 1)
    norm = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}[parameter]
    plain = parameter[0]  # w or b
    if module in ("conv1", "bn1", "fc"):
        return {"conv1": "conv1_w", "bn1": f"res_conv1_bn_{norm}", "fc": f"pred_{plain}"}[module]
    stage, block, part = re.fullmatch(r"layer(\d)\.(\d)\.(.+)", module).groups()
    if part.startswith("nl."):
        return f"nonlocal_conv{int(stage) + 1}_{block}_{part[3:]}_{norm if part == 'nl.bn' else plain}"
    branch = "1" if part.startswith("downsample") else "2" + "abc"[int(part[-1]) - 1]
    suffix = f"bn_{norm}" if part in ("bn1", "bn2", "bn3", "downsample.1") else "w"
    return f"res{int(stage) + 1}_{block}_branch{branch}_{suffix}"


def caffe2_content(state) -> dict:
    """What a Caffe2 training run saves: blobs, their momentum, and how far it came."""
    blobs = {blob_name(k): v.numpy() for k, v in state.items() if not k.endswith("num_batches_tracked")}
    momentum = {f"{name}_momentum": np.zeros((2, 2), np.float32) for name in blobs}
    return {"blobs": blobs | momentum | {"lr": np.array(0.01, np.float32), "model_iter": 400000}}


def assert_equal(found, wanted) -> None:
    """`found` is `wanted`, in float32, without the classifier and the counters."""
    names = {name for name in wanted if not name.startswith("fc.") and not name.endswith("num_batches_tracked")}
    assert set(found) == names
    for name in names:
        assert found[name].dtype == torch.float32
        assert torch.equal(found[name], wanted[name].float()), name


def refusal(path, expected) -> str:
    with pytest.raises(UserError) as caught:
        load(path, expected)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=["i3d_r50", "i3d_r50_nl"])
def model(request):
    return request.param


@pytest.fixture
def small(model):
    return tensors(shrunk(model))


@pytest.fixture
def save(tmp_path):
    def save_content(content, name="weights.pth", **options):
        torch.save(content, tmp_path / name, **options)
        return tmp_path / name

    return save_content


def test_names_of_known_blobs():
    assert blob_name("layer1.0.conv1.weight") == "res2_0_branch2a_w"
    assert blob_name("layer4.2.bn3.running_var") == "res5_2_branch2c_bn_riv"
    assert blob_name("layer3.0.downsample.1.bias") == "res4_0_branch1_bn_b"
    assert blob_name("layer2.1.nl.theta.bias") == "nonlocal_conv3_1_theta_b"
    assert blob_name("layer3.5.nl.bn.weight") == "nonlocal_conv4_5_bn_s"
    assert blob_name("fc.weight") == "pred_w"


@pytest.mark.parametrize("write", [python2_pickle, pickle.dumps])
def test_a_caffe2_pickle_gives_the_state_dict(tmp_path, model, small, write):
    path = tmp_path / "published.anything"
    path.write_bytes(write(caffe2_content(small)))
    assert_equal(load(path, shrunk(model)), small)


def test_pytorch_files_of_every_kind_give_the_state_dict(save, tmp_path, model, small):
    expected = shrunk(model)
    assert_equal(load(save(small), expected), small)
    assert_equal(load(save(small, "named.pkl"), expected), small)
    assert_equal(load(save(small, _use_new_zipfile_serialization=False), expected), small)
    safetensors.torch.save_file(small, tmp_path / "i3d.safetensors")
    assert_equal(load(tmp_path / "i3d.safetensors", expected), small)
    assert_equal(load(save({k: v.double() for k, v in small.items()}), expected), small)
    assert_equal(load(save({k: v for k, v in small.items() if k[:3] != "fc."}), expected), small)
    other_classes = small | {"fc.weight": torch.zeros(13, 2), "fc.bias": torch.zeros(13)}
    assert_equal(load(save(other_classes), expected), small)


@pytest.mark.parametrize("model", ["i3d_r50"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}},
        lambda state: {"model_state_dict": state},
        lambda state: {"model": state, "loss": 0.5},
        lambda state: {"net": {"state_dict": state}},
    ],
)
@pytest.mark.parametrize(
    "name",
    ["module.{}", "backbone.{}", "module.backbone.{}", "_orig_mod.{}", "module._orig_mod.{}", "model.backbone.{}"],
)
def test_what_training_programs_wrap_a_state_dict_in_is_taken_off(save, small, wrap, name):
    content = wrap({name.format(key): value for key, value in small.items()})
    assert_equal(load(save(content), shrunk("i3d_r50")), small)


@pytest.mark.parametrize("model", ["i3d_r50"])
def test_a_compiled_part_and_a_head_beside_the_backbone_do_no_harm(save, small):
    compiled = {key.replace("layer1.", "layer1._orig_mod."): value for key, value in small.items()}
    assert_equal(load(save(compiled), shrunk("i3d_r50")), small)
    headed = {f"backbone.{key}": value for key, value in small.items()} | {"cls_head.fc_cls.weight": torch.ones(2, 2)}
    assert_equal(load(save(headed), shrunk("i3d_r50")), small)
    twins = small | {f"module.{key}": value for key, value in small.items()}
    assert "several models" in refusal(save(twins), shrunk("i3d_r50"))


@pytest.mark.parametrize("model", ["i3d_r50"])
def test_a_wrong_file_is_refused_with_a_hint(save, small):
    plain, nonlocal_blocks = shrunk("i3d_r50"), shrunk("i3d_r50_nl")
    assert "set `model: i3d_r50`" in refusal(save(small), nonlocal_blocks)
    assert "set `model: i3d_r50_nl`" in refusal(save(tensors(nonlocal_blocks)), plain)
    assert "I3D-Inception" in refusal(save({"Mixed_3b.b0.conv3d.weight": torch.ones(1)}), plain)
    assert "image ResNet" in refusal(save(small | {"conv1.weight": torch.ones(2, 2, 2, 2)}), plain)
    assert "ResNet-101" in refusal(save(small | {"layer3.6.conv1.weight": torch.ones(2, 2, 1, 1, 1)}), plain)


@pytest.mark.parametrize("model", ["i3d_r50"])
def test_the_first_few_tensors_at_fault_are_named(save, small):
    message = refusal(
        save({k: v for k, v in small.items() if not k.startswith("layer4")} | {"zz": torch.ones(1)}), shrunk("i3d_r50")
    )
    assert "missing: layer4.0.bn1.bias, layer4.0.bn1.running_mean, layer4.0.bn1.running_var and 47 more" in message
    assert "unexpected: zz)" in message
    assert "misshapen: bn1.weight" in refusal(save(small | {"bn1.weight": torch.ones(3)}), shrunk("i3d_r50"))


@pytest.mark.parametrize("model", ["i3d_r50"])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_not_finite_are_refused(save, small, value):
    small["layer1.0.bn2.bias"][1] = value
    assert "layer1.0.bn2.bias has values that are not finite" in refusal(save(small), shrunk("i3d_r50"))


class Asks:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def quantized() -> torch.Tensor:
    with warnings.catch_warnings(action="ignore"):
        return torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: torch.ones(2, dtype=torch.int64), "has values of type int64; expected one of float16, bfloat16"),
        (lambda: torch.ones(2, dtype=torch.complex64), "has values of type complex64"),
        (lambda: torch.ones(2).to(torch.float8_e4m3fn), "has values of type float8_e4m3fn"),
        (lambda: torch.eye(2).to_sparse(), "is a sparse or nested tensor"),
        (lambda: torch.eye(2).to_sparse_csr(), "is a sparse or nested tensor"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(1)]), "is a sparse or nested tensor"),
        (lambda: torch.ones(2, device="meta"), "has a shape but no values"),
        (quantized, "is quantized"),
    ],
)
def test_tensors_of_no_use_are_refused_in_words(save, make, fault):
    message = refusal(save({"conv1.weight": make()}), {"conv1.weight": (2,)})
    assert f"'conv1.weight' {fault}" in message
    assert "\n" not in message


def test_values_beyond_float32_are_refused(save, tmp_path):
    large = torch.tensor([1.0, 1e39], dtype=torch.float64)
    expected = {"conv1.weight": (2,)}
    assert "conv1.weight has values that float32 cannot hold" in refusal(save({"conv1.weight": large}), expected)
    (tmp_path / "blobs.pkl").write_bytes(pickle.dumps({"blobs": {"conv1_w": large.numpy()}}))
    assert "conv1.weight has values that are not finite" in refusal(tmp_path / "blobs.pkl", expected)


def test_archives_that_would_grow_are_refused_before_they_do(save, tmp_path):
    whole = save({"conv1.weight": torch.ones(1 << 20)})
    compressed, overlapping = tmp_path / "compressed.pth", tmp_path / "overlapping.pth"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    expected = {"conv1.weight": (1 << 20,)}
    assert "is a compressed archive" in refusal(compressed, expected)
    with zipfile.ZipFile(overlapping, "w") as archive:
        archive.writestr("data", bytes(1000))
        for number in range(9):
            archive.filelist.append(copy(archive.filelist[0]))
            archive.filelist[-1].filename = f"data{number}"
    assert "is a compressed archive" in refusal(overlapping, expected)


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_torchscript_is_called_so_and_its_state_dict_can_be_saved(save, tmp_path):
    """The form of CLIP's own files, such as ViT-B-16.pt."""
    path, expected = tmp_path / "program.pt", {"weight": (2, 3), "bias": (2,)}
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), path)
    message = refusal(path, expected)
    assert "is a TorchScript archive" in message and "get it again" not in message
    assert "torch.save(torch.jit.load(path).state_dict(), other_path)" in message
    assert "snakemake --cores 1 weights" in message
    state = torch.jit.load(path).state_dict()
    assert torch.equal(load(save(state), expected)["bias"], state["bias"])


def test_a_small_file_that_asks_for_much_memory_is_refused(save):
    assert "not a readable PyTorch file" in refusal(
        save({"conv1.weight": Asks(bytearray, 1 << 60)}), {"conv1.weight": (2,)}
    )


def test_damaged_safetensors_are_refused(tmp_path):
    path = tmp_path / "i3d.safetensors"
    whole = safetensors.torch.save({"conv1.weight": torch.ones(2)})
    for length in range(9, len(whole), 10):
        path.write_bytes(whole[:length])
        refusal(path, {"conv1.weight": (2,)})


def test_other_weights_than_planned_are_refused(save):
    path = save({"conv1.weight": torch.ones(2)})
    expected, planned = {"conv1.weight": (2,)}, file_sha256(path)
    assert load(path, expected, planned)["conv1.weight"].tolist() == [1, 1]
    save({"conv1.weight": torch.zeros(2)})
    with pytest.raises(UserError, match=f"weights.pth has changed since .*SHA-256 {file_sha256(path)[:12]}"):
        load(path, expected, planned)


def test_what_is_hashed_is_what_is_loaded(save, monkeypatch):
    """The file is replaced as soon as it has been read."""
    path = save({"conv1.weight": torch.ones(2)})
    planned = file_sha256(path)
    read = weights._read

    def read_and_replace(*arguments):
        data = read(*arguments)
        save({"conv1.weight": torch.zeros(2)})
        return data

    monkeypatch.setattr(weights, "_read", read_and_replace)
    assert load(path, {"conv1.weight": (2,)}, planned)["conv1.weight"].tolist() == [1, 1]


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_what_is_no_weights_file_is_refused(save, tmp_path):
    expected = {"conv1.weight": (2,)}
    assert "holds no state dict" in refusal(save([torch.ones(2)]), expected)
    assert "no state dict (keys conv1.weight)" in refusal(save({"conv1.weight": "text"}), expected)
    assert "'conv1.weight' is not a tensor" in refusal(
        save({"conv1.weight": "text", "fc.bias": torch.ones(1)}), expected
    )
    assert "snakemake --cores 1 weights" in refusal(tmp_path / "absent.pth", expected)
    assert "cannot read" in refusal(tmp_path, expected)
    assert "is not a file" in refusal(Path("/dev/zero"), expected)
    os.mkfifo(tmp_path / "pipe.pth")
    assert "is not a file" in refusal(tmp_path / "pipe.pth", expected)
    with (tmp_path / "huge.pth").open("wb") as file:
        file.truncate(50 << 30)
    assert "has 53.7 GB" in refusal(tmp_path / "huge.pth", expected)
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    assert "holds no Caffe2 blobs" in refusal(tmp_path / "list.pkl", expected)
    whole = save({"conv1.weight": torch.ones(2)}).read_bytes()
    for length in range(0, len(whole), 50):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        refusal(tmp_path / "cut.pth", expected)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_hostile_pytorch_file_is_refused_by_name_and_runs_nothing(save, tmp_path, new_format):
    path = save({"conv1.weight": Asks(os.mkdir, str(tmp_path / "planted"))}, _use_new_zipfile_serialization=new_format)
    assert "posix.mkdir" in refusal(path, {"conv1.weight": (2,)})
    assert not (tmp_path / "planted").exists()


def test_random_weights_are_the_reference_ones(model):
    assert_equal(backbone(model).random_weights(), tensors(whole(model)))


def test_converted_weights_give_the_same_features_as_the_pytorch_file(tmp_path):
    expected = whole("i3d_r50")
    state = tensors(expected)
    source, target, again = tmp_path / "published.pkl", tmp_path / "new" / "i3d.pth", tmp_path / "again.pth"
    source.write_bytes(python2_pickle(caffe2_content(state)))
    command = [sys.executable, SCRIPT, source, target]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == f"{target}: i3d_r50, sha256 {file_sha256(target)}\n"
    assert sorted(target.parent.iterdir()) == [target]
    assert torch.equal(read_state_dict(target, backbone("i3d_r50"))["fc.weight"], state["fc.weight"])
    convert_weights(source, again, "i3d_r50")
    assert file_sha256(again) == file_sha256(target)

    clip = torch.from_numpy(reference_inputs.frames(16, 64, 64)).permute(3, 0, 1, 2)[None] / 127.5 - 1
    torch.save(state, tmp_path / "port.pth")
    with torch.inference_mode():
        converted, port = (
            backbone("i3d_r50").plain(load(path, expected))(clip) for path in (target, tmp_path / "port.pth")
        )
    assert converted.shape == (1, 2048)
    assert converted.abs().sum() > 0
    assert torch.equal(converted, port)


def test_weights_of_the_other_model_are_not_converted(tmp_path):
    source, target = tmp_path / "published.pkl", tmp_path / "i3d.pth"
    source.write_bytes(pickle.dumps(caffe2_content(tensors(shrunk("i3d_r50_nl")))))
    with pytest.raises(UserError, match="does not fit the model"):
        convert_weights(source, target, "i3d_r50")
    assert list(tmp_path.iterdir()) == [source]
