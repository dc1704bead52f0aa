"""Images: where ONNX keeps the channels, and how it states windows."""

from __future__ import annotations

import numpy as np

from hwgen.core.window import Window
from hwgen.frontends.call import Call
from hwgen.frontends.lifted import Lifted


def image(call: Call, x: Lifted) -> np.ndarray:
    """The index of a tensor (1, C, H, W) or (1, C, W) as an image (H, W, C), H = 1 if need be."""
    if len(x.shape) not in (3, 4) or x.shape[0] != 1:
        raise call.error(f"its input must be (1, C, H, W) or (1, C, W), not {x.shape}")
    moved = np.moveaxis(x.index[0], 0, -1)
    return moved if moved.ndim == 3 else moved[None]


def tensor_of_image(shape: tuple[int, ...], rank: int) -> np.ndarray:
    """The inverse: the index of a tensor of ``rank`` on an edge of ``shape`` (H, W, C)."""
    index = np.moveaxis(np.arange(np.prod(shape)).reshape(shape), -1, 0)[None]
    return index if rank == 4 else index[:, :, 0]


def window_of(
    call: Call, kernel: tuple[int, ...], shape: tuple[int, ...], *, ceil: bool = False
) -> Window:
    """The window that a node's attributes state, over an image ``(H, W, C)``.

    With ``ceil``, a last window that begins inside the image or its leading padding counts even
    where it ends outside; that is padding at the bottom and right.
    """

    x = call.get(0)
    rank = 2 if x is None else len(x.shape) - 2
    stated = call.attrs.get("kernel_shape")
    if stated is not None and stated[-rank:] != kernel[-rank:]:
        raise call.error(f"its kernel_shape {stated} is not that of its weight", code="HW103")

    def pair(name: str) -> tuple[int, int]:
        values = call.attrs.get(name) or (1,) * rank
        if len(values) != rank:
            raise call.error(f"{name} {values} for {rank} dimensions", code="HW103")
        return (1, values[0]) if rank == 1 else (values[0], values[1])

    stride, dilation = pair("strides"), pair("dilations")
    extent = Window(_two(kernel), stride, dilation=dilation).extent
    if min(*stride, *dilation, *extent) < 1:
        raise call.error("strides, dilations and kernels must be positive", code="HW103")
    top, left, bottom, right = _pads(call, shape, stride, extent)
    if ceil:
        bottom += _overhang(shape[0], top, bottom, extent[0], stride[0])
        right += _overhang(shape[1], left, right, extent[1], stride[1])
    window = Window(_two(kernel), stride, (top, left, bottom, right), dilation)
    try:
        window.output_shape(shape)
    except ValueError as error:
        raise call.error(str(error)) from None
    return window


def _two(kernel: tuple[int, ...]) -> tuple[int, int]:
    return (1, kernel[0]) if len(kernel) == 1 else (kernel[0], kernel[1])


def _pads(
    call: Call, shape: tuple[int, ...], stride: tuple[int, int], extent: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Top, left, bottom, right."""
    mode = call.attrs.get("auto_pad", "NOTSET")
    if mode not in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"):
        raise call.error(f"unknown auto_pad {mode}", code="HW103")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        total = [max((-(-n // s) - 1) * s + e - n, 0)
                 for n, s, e in zip(shape, stride, extent, strict=False)]  # fmt: skip
        small, large = [n // 2 for n in total], [n - n // 2 for n in total]
        begin, end = (small, large) if mode == "SAME_UPPER" else (large, small)
        return begin[0], begin[1], end[0], end[1]
    begin, end = pads_of(call)
    return *begin, *end


def pads_of(call: Call) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding that the attribute ``pads`` states: (top, left) and (bottom, right)."""
    pads = call.attrs.get("pads") or (0, 0, 0, 0)
    if call.attrs.get("auto_pad", "NOTSET") == "VALID":
        pads = (0, 0, 0, 0)
    if min(pads) < 0:
        raise call.error(f"negative padding {pads}")
    if len(pads) == 2:
        return (0, pads[0]), (0, pads[1])
    return (pads[0], pads[1]), (pads[2], pads[3])


def _overhang(size: int, begin: int, end: int, extent: int, stride: int) -> int:
    free = size + begin + end - extent
    count = -(-free // stride) + 1
    if (count - 1) * stride >= size + begin:
        count -= 1
    return max((count - 1) * stride - free, 0)
