"""Count the work of a network by running it on the meta device, which has shapes but no values."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

# Operations that return a view of the same memory, or only reserve it.
FREE = {
    *("view", "_unsafe_view", "reshape", "expand", "permute", "transpose", "t", "squeeze", "unsqueeze", "select"),
    *("slice", "split", "split_with_sizes", "unbind", "detach", "alias", "unfold", "as_strided", "chunk"),
    *("empty", "empty_like", "empty_strided", "new_empty", "empty_permuted"),
}


@torch.inference_mode()
def work_of_a_frame(run: Callable[[Tensor], Tensor], shape: tuple[int, ...], frames: int) -> tuple[float, float]:
    """Return 10^9 floating-point operations and 10^9 numbers read and written, both divided by `frames`.

    `run` accepts inputs (B, *shape) on the meta device. Whatever does not grow with B, such as weights, is left out.
    Attention counts as one operation, as GPUs compute it.
    """
    counts = []
    for batch in (1, 2):
        images = torch.empty((batch, *shape), device="meta")
        with FlopCounterMode(display=False) as flops, _Traffic() as traffic, _AttentionAsOne(traffic):
            run(images)
        counts.append((flops.get_total_flops(), traffic.numbers))
    (flops_1, numbers_1), (flops_2, numbers_2) = counts
    return (flops_2 - flops_1) / frames / 1e9, (numbers_2 - numbers_1) / frames / 1e9


class _Traffic(TorchDispatchMode):
    """Counts the numbers that operations read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0
        self._paused = False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if not self._paused and function.overloadpacket._qualified_op_name.rpartition("::")[2] not in FREE:
            self.count(args, kwargs, result)
        return result

    def count(self, *values: Any) -> None:
        """Count the numbers in all tensors among these arguments and results."""
        self.numbers += sum(value.numel() for value in tree_leaves(values) if isinstance(value, Tensor))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing inside the block."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False


class _AttentionAsOne(TorchFunctionMode):
    """Counts the inputs and the result of attention, not the steps that the meta device runs instead of a kernel."""

    def __init__(self, traffic: _Traffic) -> None:
        super().__init__()
        self._traffic = traffic

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is not nn.functional.scaled_dot_product_attention:
            return function(*args, **(kwargs or {}))
        with self._traffic.paused():
            result = function(*args, **(kwargs or {}))
        self._traffic.count(args, kwargs, result)
        return result
