"""What needs a GPU to be true: `make test-gpu`. Everything else about the GPU path is tested with stand-ins."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from i3d.backbones.i3d_r50 import fused_cuda
from i3d.backbones.i3d_r50.layers import halve
from i3d.network.engine import Engine, choose_device, recorded_name
from i3d.network.gpu_guard import gpu_versions
from i3d.selfcheck.reference import reference_features, reference_snippet, reference_weights
from i3d.settings import NumericSettings
from i3d.specs import PRECISIONS, SAMPLE_MODES
from tests.support.reference_inputs import GOLDEN, relative_error

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> torch.device:
    return choose_device("cuda")  # fails without a GPU: the marker was asked for


@pytest.fixture
def engine(device, weights):
    def make(model="i3d_r50", batch_size=4, **settings) -> Engine:
        numeric = NumericSettings(model=model, **{"sample_mode": "center_crop"} | settings)
        return Engine(numeric, weights[model], device, batch_size=batch_size)

    return make


def test_the_gpu_and_its_software_are_named(device):
    assert recorded_name(device) == torch.cuda.get_device_name()
    assert gpu_versions(device).keys() == {"cuda", "cudnn"}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("file", "model", "sample_mode"),
    [
        ("synthetic_oversample", "i3d_r50", "oversample"),
        ("synthetic_center_crop", "i3d_r50", "center_crop"),
    ],
)
def test_features_are_the_originals_in_every_precision(engine, clip, file, model, sample_mode, precision):
    features = engine(model, sample_mode=sample_mode, precision=precision).launch(clip).collect()
    assert features.dtype == np.float32
    error = relative_error(features, np.load(GOLDEN / f"{file}.npy"))
    print(f"{file} {precision}: {error:.1e}")
    assert error < PRECISIONS[precision].tolerance


def test_features_with_attention_are_the_originals(engine, clip):
    """In fp32 alone: with undamped seeded attention, rounding decides whom it attends to."""
    features = engine("i3d_r50_nl").launch(clip).collect()
    assert relative_error(features, np.load(GOLDEN / "synthetic_center_crop_nonlocal.npy")) < 1e-5


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", ["i3d_r50", "i3d_r50_nl"])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_features_are_the_references_in_every_precision_and_batch(device, model, precision, batch_size):
    settings = NumericSettings(model=model, precision=precision)
    made = Engine(settings, reference_weights(model), device, batch_size=batch_size)
    snippets = torch.from_numpy(reference_snippet()).expand(batch_size, -1, -1, -1, -1)
    expected = np.repeat(reference_features(model)[None], batch_size, axis=0)
    error = relative_error(made.launch(snippets).collect(), expected)
    assert error < PRECISIONS[precision].tolerance


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", ["i3d_r50", "i3d_r50_nl"])
@torch.inference_mode()
def test_fused_layers_that_were_chosen_give_what_the_plain_ones_do(engine, device, model, precision):
    made = engine(model, precision=precision)
    frames = torch.rand((3, 3, 16, 256, 340), device=device, generator=torch.Generator(device).manual_seed(0)) - 0.5
    frames = frames.to(made.network.dtype, memory_format=torch.channels_last_3d)
    network = made.network.model
    features = network(frames)
    choices = network.conv1.choices
    print(f"{model} {precision}: {sum(choices.values())} of {len(choices)} kinds of convolution the fast way")
    assert len(choices) > 20
    for kind in choices:
        choices[kind] = False
    assert fused_cuda.relative_error(features, network(frames)) < PRECISIONS[precision].tolerance


def test_short_memory_halves_the_batch_and_changes_no_feature(engine, clip):
    snippets = clip.repeat(6, 1, 1, 1, 1)  # 12
    options = {"sample_mode": "oversample", "precision": "fp32"}
    expected = engine(**options, batch_size=12).launch(snippets).collect()
    tuned = engine(**options, batch_size=4)
    tuned.launch(snippets).collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    tuned.launch(snippets).collect()
    enough_for_four = torch.cuda.max_memory_reserved()
    del tuned
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(enough_for_four / total)
    try:
        short = engine(**options, batch_size=12)
        found = short.launch(snippets).collect()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert short.batch_size < 12
    assert relative_error(found, expected) < PRECISIONS["fp32"].tolerance


def test_batches_on_their_way_do_not_disturb_each_other(engine, clip):
    made = engine(sample_mode="oversample")
    batches = [made.buffer(4, 16) for _ in range(3)]
    for number, batch in enumerate(batches):
        batch.copy_(clip[:1].roll(number * 16, dims=3).expand_as(batch))
    alone = [made.launch(batch).collect() for batch in batches]
    pending = [made.launch(batch) for batch in batches]
    for found, expected in zip(pending, alone, strict=True):
        assert relative_error(found.collect(), expected) < 1e-6


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_batch_that_is_not_full_gives_the_same(engine, clip, count):
    made = engine()
    snippets = clip.repeat(3, 1, 1, 1, 1)[:count]
    features = made.launch(snippets).collect()
    assert features.shape == (count, SAMPLE_MODES["center_crop"].crops, 2048)
    assert relative_error(features[:2], made.launch(clip).collect()[:count]) < 1e-6


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_halving_is_max_pooling_bit_for_bit(device, axis):
    values = torch.rand((2, 5, 7, 6, 9), device=device) - 0.5
    window = [2 if place == axis else 1 for place in (2, 3, 4)]
    for images in (values, values.half().to(memory_format=torch.channels_last_3d)):
        assert torch.equal(halve(images, axis), F.max_pool3d(images, window, window))
