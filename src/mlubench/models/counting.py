"""What passes of a model take, counted on torch's meta device: arithmetic, memory traffic, kernels and live memory.

Shapes alone are worked out there, so that a model of any size is counted in seconds and no weight is needed.
"""

import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry

# Operations that take memory and write nothing to it.
_ROOM = {
    torch.ops.aten.empty,
    torch.ops.aten.empty_like,
    torch.ops.aten.empty_strided,
    torch.ops.aten.new_empty,
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One operation of a device."""

    flops: int
    # Read and written.
    bytes: int


@dataclass(slots=True)
class Count:
    """What was done within `counted`."""

    kernels: list[Kernel] = field(default_factory=list)
    # The most that lived at once, beyond the model's own weights.
    peak_bytes: int = 0

    @property
    def flops(self) -> int:
        """Multiplications and additions of matrix products, attention and convolutions."""
        return sum(kernel.flops for kernel in self.kernels)


@contextmanager
def counted(model: nn.Module) -> Iterator[Count]:
    """Counts what is done within, on a model on the meta device.

    A backward pass is counted too where `torch.autograd.backward` makes it: `Tensor.backward` puts the modes aside.
    """
    count = Count()
    with _Counting(model, count), _fused_attention():
        yield count


class _Counting(TorchDispatchMode):
    """Sees every operation, forward and backward, once nothing but kernels is left of it."""

    def __init__(self, model: nn.Module, count: Count) -> None:
        super().__init__()
        self.count = count
        self._live_bytes = 0
        # Of operations that were seen before: shape, strides and dtype of what they give.
        self._forms: dict[Hashable, tuple[torch.Size, tuple[int, ...], torch.dtype]] = {}
        # By the identity of a storage. The model's own are there, but are not counted.
        self._alive: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._weights = [
            tensor.untyped_storage() for tensor in (*model.parameters(), *model.buffers())
        ]
        for storage in self._weights:
            self._alive[id(storage)] = weakref.ref(storage)

    def __torch_dispatch__(
        self,
        func: Any,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options = kwargs or {}
        inputs = _tensors((args, options))
        devices = {tensor.device.type for tensor in inputs}
        # Sizes and grids of pictures are true numbers on the CPU, which a tower's code reads before it uses them so.
        if len(devices) > 1:
            args = tree_map(_on_meta, args)
            options = tree_map(_on_meta, options)
        result = self._result(func, args, options)
        outputs = _tensors(result)
        has_new = self._follow(outputs)
        # A view of something is no work, and neither is room that nobody has written to.
        if (has_new or func._schema.is_mutable) and func._overloadpacket not in _ROOM:
            formula = flop_registry.get(func._overloadpacket)
            flops = formula(*args, **options, out_val=result) if formula is not None else 0
            self.count.kernels.append(Kernel(flops, _bytes(inputs) + _bytes(outputs)))
        return result

    def _result(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the operation gives. The layers of a model repeat one another, so most shapes are known by now."""
        call = _call(func, args, kwargs)
        form = self._forms.get(call) if call is not None else None
        if form is not None:
            shape, strides, dtype = form
            return torch.empty_strided(shape, strides, dtype=dtype, device="meta")
        result = func(*args, **kwargs)
        # What shares memory with an input is no tensor of its own.
        is_new = isinstance(result, Tensor) and id(result.untyped_storage()) not in self._alive
        if call is not None and is_new and result.device.type == "meta":
            self._forms[call] = (result.shape, result.stride(), result.dtype)
        return result

    def _follow(self, tensors: list[Tensor]) -> bool:
        """Count new storages among these as alive until nothing holds them any more. False where there is none."""
        has_new = False
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key = id(storage)
            if key in self._alive:
                continue
            has_new = True
            size = storage.nbytes()
            self._live_bytes += size
            self.count.peak_bytes = max(self.count.peak_bytes, self._live_bytes)
            self._alive[key] = weakref.ref(storage, self._forgetter(key, size))
        return has_new

    def _forgetter(self, key: int, size: int) -> Callable[[object], None]:
        def forget(_: object) -> None:
            del self._alive[key]
            self._live_bytes -= size

        return forget


@contextmanager
def _fused_attention() -> Iterator[None]:
    """Attention as a GPU computes it, in one kernel. The meta device would write down every pair of positions."""
    # In its own place, as torch's modes of functions do not reach what checkpointing computes again.
    before = F.scaled_dot_product_attention
    F.scaled_dot_product_attention = _attend
    try:
        yield
    finally:
        F.scaled_dot_product_attention = before


def _attend(
    query: Tensor,  # (B, heads, L, D)
    key: Tensor,  # (B, heads of keys, S, D)
    value: Tensor,  # (B, heads of keys, S, D)
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """As `F.scaled_dot_product_attention`, by the kernel that takes masks."""
    if enable_gqa:
        times = query.shape[1] // key.shape[1]
        key = key.repeat_interleave(times, 1)
        value = value.repeat_interleave(times, 1)
    if attn_mask is not None:
        attn_mask = attn_mask.expand(*query.shape[:3], key.shape[2])
    out: Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, attn_mask, True, dropout_p, is_causal, scale=scale
    )[0]
    return out


def _call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable | None:
    """All that the shape of a result depends on; None for what changes its inputs or cannot be compared."""
    if func.is_view or func._schema.is_mutable:
        return None
    call = (func, _described(args), _described(tuple(kwargs.items())))
    try:
        hash(call)
    except TypeError:
        return None
    return call


def _described(value: object) -> object:
    if isinstance(value, Tensor):
        return (value.shape, value.stride(), value.dtype, value.device.type)
    if isinstance(value, list | tuple):
        return tuple(_described(each) for each in value)
    # 1, 1.0 and True are equal, and give results of other dtypes.
    return (type(value), value)


def _on_meta(value: object) -> object:
    return value.to("meta") if isinstance(value, Tensor) else value


def _tensors(values: object) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
