"""The networks, by the names that the setting `model` has for them.

Everything that depends on a network is stated where it is defined, in a module or package of this folder: width, work,
clip lengths, normalization, weights and their licence, and how it is built. To add one, add its definition to the table
below; another network from torchvision is one line in `torchvision_video.py`.

Planning imports this module: torch, torchvision and timm are not imported before a network is built.
"""

from i3d.backbones import i3d_r50, timm_image, torchvision_video
from i3d.backbones.backbone import Backbone
from i3d.backbones.timm_image import PREFIX, TimmImage
from i3d.errors import UserError
from i3d.spelling import nearest

BACKBONES: dict[str, Backbone] = {
    each.name: each for each in (*i3d_r50.BACKBONES, *torchvision_video.BACKBONES, *timm_image.BACKBONES)
}


def backbone(name: str) -> Backbone:
    """Return the network of this name. Raises UserError for an unknown name.

    Imports timm for a `timm:NAME` that is not registered, to look up its width and input size.
    """
    if name not in BACKBONES and name.startswith(PREFIX):
        register(timm_image.described(name))
    return BACKBONES[_checked(name)]


def register(tower: Backbone) -> None:
    """Add a tower described by timm, in this process or, for planning, in another one."""
    BACKBONES[tower.name] = tower


def kind(name: str) -> type[Backbone]:
    """Return the class of a network. Raises UserError for an unknown name."""
    name = _checked(name)
    return TimmImage if name.startswith(PREFIX) else type(BACKBONES[name])


def _checked(name: str) -> str:
    if name in BACKBONES or (name.startswith(PREFIX) and name != PREFIX):
        return name
    names = [known for known in BACKBONES if not known.startswith(PREFIX)]
    near = nearest(name, names)
    hint = f"did you mean {near!r}? There are" if near else "expected one of"
    raise UserError(
        f"config: invalid value {name!r} of 'model'; {hint} {', '.join(names)}, and {PREFIX}NAME for an image tower of "
        "timm"
    )
