"""Classes that the published classifier sees in a snippet: at a glance they show whether weights, colours and
normalization make sense.

The classes are Kinetics-400's in alphabetical order. That is how video-nonlocal-net, which published the weights,
numbers them (its process_data/kinetics/classids.json), and all 400 names stand at the same places in torchvision's
list.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from i3d.backbones.backbone import Backbone
from i3d.network.weights import read_state_dict

CLASSES = 400


@cache
def class_names() -> tuple[str, ...]:
    """The 400 names in the classifier's order."""
    from torchvision.models.video import R3D_18_Weights  # seconds of imports for a list

    return tuple(R3D_18_Weights.KINETICS400_V1.meta["categories"])


@dataclass(frozen=True)
class Classifier:
    """The last layer of the published network: float32 (400, dim) and (400,)."""

    weight: np.ndarray
    bias: np.ndarray

    @classmethod
    def load(cls, path: Path, backbone: Backbone) -> "Classifier | None":
        """The classifier in a weights file; None where there is none, or not one for Kinetics-400.

        Raises UserError for a file that is no weights file.
        """
        state = read_state_dict(path, backbone)
        weight, bias = state.get("fc.weight"), state.get("fc.bias")
        if weight is None or bias is None or len(weight) != CLASSES or len(bias) != CLASSES:
            return None
        return cls(weight.float().numpy(), bias.float().numpy())

    def likeliest(self, features: np.ndarray, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes of one snippet, features (crops, dim), with their probabilities, likeliest first.

        Crops are averaged before the softmax.
        """
        scores = features.mean(0) @ self.weight.T + self.bias
        likely = np.exp(scores - scores.max())
        likely /= likely.sum()
        return [(class_names()[index], float(likely[index])) for index in np.argsort(-likely)[:count]]
