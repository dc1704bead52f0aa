"""Where the files that ship beside the code are: templates, testbench, models."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def resource(folder: str) -> Path:
    """The folder ``rtl_templates``, ``sim`` or ``models``, in a wheel or in a checkout.

    A wheel carries them inside the package; a checkout has them beside it.
    """
    for candidate in (_PACKAGE / "_data" / folder, _PACKAGE.parent / folder):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"hwgen is installed without its folder {folder}")
