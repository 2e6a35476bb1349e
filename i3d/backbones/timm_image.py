"""Image towers from timm, applied frame by frame: CLIP's, DINOv2's and any other with published weights.

Two have names of their own here. For all others, `timm:NAME`, width, input size and normalization come from timm;
planning asks in a separate process (`i3d.planning.weights_check`), because importing timm takes seconds.
"""

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from i3d.backbones.backbone import FOLDER, Backbone, Published
from i3d.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIX = "timm:"
FILTERS = ("bilinear", "bicubic")  # available to resize crops; bicubic replaces timm's others
SAFETENSORS = "model.safetensors"  # the weights file in each of timm's repositories


@dataclass(frozen=True, kw_only=True)
class TimmImage(Backbone):
    """A tower without its classifier; its feature is the projected embedding in image-text models such as CLIP."""

    tower: str  # timm's name

    frame_poolings: ClassVar[tuple[str, ...]] = ("mean", "middle")
    requires: ClassVar[tuple[str, ...]] = ("timm",)

    @staticmethod
    def default_weights(name: str) -> str:
        return f"{FOLDER}/{name.replace(':', '_').replace('/', '_')}.safetensors"

    def published(self) -> Published:
        config = _config(self.tower)
        if not config.hf_hub_id:
            return Published(config.url)
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(config.hf_hub_id, config.hf_hub_filename or SAFETENSORS)
        try:
            digest = get_hf_file_metadata(url).etag or ""
        except Exception:  # no network, or refused: the download will say why
            digest = ""
        return Published(url, digest if re.fullmatch("[0-9a-f]{64}", digest) else None)

    def expected_shapes(self) -> dict[str, tuple[int, ...]]:
        return dict(_expected(self.tower))

    def is_left_out(self, name: str) -> bool:
        return (
            any(name.startswith(f"{classifier}.") for classifier in _classifiers(self.tower))
            or name.endswith(("relative_position_index", "attn_mask"))  # both follow from the window's size
            or super().is_left_out(name)
        )

    def _module(self) -> "nn.Module":
        return _tower(self.tower)

    def plain(self, weights: "Mapping[str, Tensor]") -> "nn.Module":
        from i3d.backbones.library_network import PerFrame

        return PerFrame(super().plain(weights))

    def normalised(self, frames: "Tensor", normalization: str) -> "Tensor":
        from i3d.backbones.library_network import normalised

        config = _config(self.tower)
        return normalised(frames, config.mean, config.std)

    def renamed(self, state: "dict[str, Tensor]") -> "dict[str, Tensor]":
        """Apply timm's filter for files of the tower's authors, unless the names fit already or the filter fails."""
        expected = _expected(self.tower)
        convert = getattr(_module_of(self.tower), "checkpoint_filter_fn", None)
        if convert is None or expected.keys() <= state.keys():
            return state
        sizes = {value.numel() for value in state.values()}
        if any("pos_embed" in name and math.prod(shape) not in sizes for name, shape in expected.items()):
            return state  # of a tower for another picture size, whose positions timm would rescale
        try:
            converted = convert(dict(state), _tower(self.tower))
        except (KeyError, ValueError, RuntimeError, AttributeError, TypeError):
            return state
        return {name: value for name, value in converted.items() if name in expected}


def described(name: str) -> TimmImage:
    """Describe the tower `timm:NAME`.

    Raises UserError if timm is not installed or does not know the name, or if the tower computes no feature vector.
    """
    import torch

    from i3d.backbones.counted_work import work_of_a_frame
    from i3d.backbones.library_network import on_meta

    tower = name.removeprefix(PREFIX)
    config = _config(tower)
    channels, *size = config.input_size
    if channels != 3 or size[0] != size[1]:
        raise UserError(f"config: model {name} takes {config.input_size}, not square colour pictures; choose another")
    shape = (channels, *size)
    try:
        module = on_meta(lambda: _tower(tower))
        (dim,) = module(torch.empty((1, *shape), device="meta")).shape[1:]
        gflop, values = work_of_a_frame(module, shape, 1)
    except (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(
            f"config: model {name} computes no feature vector of a picture ({reason}); choose another"
        ) from None
    return TimmImage(
        name=name,
        tower=tower,
        dim=dim,
        gflop=gflop,
        values=values,
        input_size=size[0],
        filter=config.interpolation if config.interpolation in FILTERS else "bicubic",
        licence=config.license or "not said by timm",
    )


@cache
def _config(tower: str) -> Any:
    """Return timm's configuration of a tower. Raises UserError without timm or without published weights."""
    try:
        import timm
        from timm.models import get_pretrained_cfg, is_model
    except ImportError:
        raise UserError(
            f"config: model {PREFIX}{tower} needs the package timm, which is not installed here; install the version "
            "in envs/requirements.txt"
        ) from None
    architecture = tower.partition(".")[0]
    try:
        config = get_pretrained_cfg(tower, allow_unregistered=False) if is_model(architecture) else None
    except RuntimeError:  # unknown tag
        config = None
    if config is None or not config.has_weights:
        names = timm.list_models(pretrained=True)
        tags = [name for name in names if name.startswith(f"{architecture}.")]
        near = get_close_matches(tower, tags or names, 3, 0.5)
        hint = f"did you mean {' or '.join(PREFIX + name for name in near)}?" if near else "see timm.list_models()"
        raise UserError(f"config: invalid value '{PREFIX}{tower}' of 'model'; timm has no such weights; {hint}")
    return config


def _tower(tower: str) -> "nn.Module":
    """Build the tower, as initialised; its output is the feature."""
    import timm

    return timm.create_model(tower, pretrained=False, num_classes=_config(tower).num_classes if _projects(tower) else 0)


def _projects(tower: str) -> bool:
    """Whether a tower's last layer projects into a space shared with texts instead of classifying."""
    return "clip" in tower and not re.search(r"_ft_in\d", tower) and _config(tower).num_classes > 0


@cache
def _expected(tower: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of parameters and running statistics; shared, so do not change the dict."""
    from i3d.backbones.library_network import on_meta

    module = on_meta(lambda: _tower(tower))
    parameters = {name for name, _ in module.named_parameters()}
    return {
        name: tuple(value.shape)
        for name, value in module.state_dict().items()
        if name in parameters or name.endswith(("running_mean", "running_var"))
    }


def _classifiers(tower: str) -> tuple[str, ...]:
    """Parts of a published tower that `_tower` leaves out."""
    names = _config(tower).classifier or ()
    return () if _projects(tower) else (names,) if isinstance(names, str) else tuple(names)


def _module_of(tower: str) -> Any:
    """The Python module of timm that defines a tower."""
    from timm.models import model_entrypoint

    return sys.modules[model_entrypoint(tower.partition(".")[0]).__module__]


BACKBONES = (
    TimmImage(
        name="clip_vit_b16",
        tower="vit_base_patch16_clip_quickgelu_224.openai",
        dim=512,
        gflop=35.13,
        values=0.1292,
        licence="MIT",
    ),
    TimmImage(
        name="clip_vit_l14",
        tower="vit_large_patch14_clip_quickgelu_224.openai",
        dim=768,
        gflop=162.0,
        values=0.4457,
        licence="MIT",
    ),
)
