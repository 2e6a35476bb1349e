"""The clip and the weights that the golden features were computed from."""

from tests.support.golden_inputs import clip, weights

__all__ = ["clip", "weights"]
