"""Where the windows of an image lie in its stream: the geometry both window generators share."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.hw.loop_nest import Loop, merge


@dataclass(frozen=True, slots=True)
class WindowWalk:
    """Windows over an image ``(H, W, C)`` that streams as words of ``lanes`` channels.

    ``kernel``, ``stride`` and ``dilation`` are (rows, columns) in pixels. ``split``: equal runs of
    a pixel's words; all of a window's pixels are read for one run before the next. All lengths and
    positions below are in words, counted from the frame's first. Raises ValueError.
    """

    shape: tuple[int, int, int]
    lanes: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    split: int = 1

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape must be a positive (H, W, C), not {self.shape!r}")
        if self.lanes < 1 or self.shape[2] % self.lanes:
            raise ValueError(f"lanes must divide {self.shape[2]} channels, not {self.lanes!r}")
        if self.split < 1 or self.groups % self.split:
            raise ValueError(f"split must divide {self.groups} words, not {self.split!r}")
        for name in ("kernel", "stride", "dilation"):
            if min(getattr(self, name)) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        if self.extent[0] > self.shape[0] or self.extent[1] > self.shape[1]:
            raise ValueError(f"kernel must fit the image {self.shape}, not {self.extent} pixels")

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns, in pixels, that a window reaches over."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    @property
    def groups(self) -> int:
        """Words of a pixel."""
        return self.shape[2] // self.lanes

    @property
    def row(self) -> int:
        """Words of a row."""
        return self.shape[1] * self.groups

    @property
    def frame(self) -> int:
        """Words of an image."""
        return self.shape[0] * self.row

    @property
    def span(self) -> int:
        """Words from a window's first to its last, both included."""
        return (self.extent[0] - 1) * self.row + self.extent[1] * self.groups

    @property
    def reads(self) -> int:
        """Words of a window."""
        return self.kernel[0] * self.kernel[1] * self.groups

    @property
    def output_shape(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        (height, width, _), (eh, ew), (sh, sw) = self.shape, self.extent, self.stride
        return (height - eh) // sh + 1, (width - ew) // sw + 1

    @property
    def bases(self) -> list[int]:
        """The first word of every window, in raster order."""
        (rows, columns), (sh, sw) = self.output_shape, self.stride
        return [
            y * sh * self.row + x * sw * self.groups for y in range(rows) for x in range(columns)
        ]

    @property
    def inside(self) -> list[Loop]:
        """The words of a window, in the order (run, kh, kw, word of the run)."""
        (kh, kw), (dh, dw), run = self.kernel, self.dilation, self.groups // self.split
        return merge([(run, 1), (kw, dw * self.groups), (kh, dh * self.row), (self.split, run)])

    @property
    def across(self) -> list[Loop]:
        """The windows of a frame."""
        (rows, columns), (sh, sw) = self.output_shape, self.stride
        return merge([(columns, sw * self.groups), (rows, sh * self.row)])
