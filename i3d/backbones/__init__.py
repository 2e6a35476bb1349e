"""The networks, by the names that the setting `model` has for them.

All that depends on a network is said where it is defined, in a module or package of this folder: width, work, the clip
lengths that it takes, normalization, weights and their licence, and how it is built. To add one, add its definition to
the table below; a further network of torchvision is a line in `torchvision_video.py`.

Planning asks here: nothing is imported from torch, torchvision or timm before a network is built.
"""

from difflib import get_close_matches

from i3d.backbones import i3d_r50, timm_image, torchvision_video
from i3d.backbones.backbone import Backbone
from i3d.backbones.timm_image import PREFIX, TimmImage
from i3d.errors import UserError

BACKBONES: dict[str, Backbone] = {
    each.name: each for each in (*i3d_r50.BACKBONES, *torchvision_video.BACKBONES, *timm_image.BACKBONES)
}


def backbone(name: str) -> Backbone:
    """The network of this name.

    Of `timm:NAME`, timm alone knows width and input size: it is imported and asked, unless `know` was called. Raises
    UserError for a name that stands for no network.
    """
    if name not in BACKBONES and name.startswith(PREFIX):
        know(timm_image.described(name))
    return BACKBONES[checked(name)]


def know(found: Backbone) -> None:
    """Take in what timm said of a tower, in this process or, for planning, in another."""
    BACKBONES[found.name] = found


def kind(name: str) -> type[Backbone]:
    """The class of a network, with all that is alike among its networks. Raises as `checked`."""
    name = checked(name)
    return TimmImage if name.startswith(PREFIX) else type(BACKBONES[name])


def checked(name: str) -> str:
    """The name, if it may stand for a network. Raises UserError, with what may have been meant, if not."""
    if name in BACKBONES or (name.startswith(PREFIX) and name != PREFIX):
        return name
    names = [known for known in BACKBONES if not known.startswith(PREFIX)]
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}? There are" if near else "expected one of"
    raise UserError(
        f"config: invalid value {name!r} of 'model'; {hint} {', '.join(names)}, and {PREFIX}NAME for an image tower of "
        "timm"
    )
