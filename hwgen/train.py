"""``hwgen train`` as a function: the only way from outside to what needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.core.errors import fail
from hwgen.core.output import check_writable, write_atomically

INTEGER_FRAMES = 1000  # test frames that the integer reference runs at most


def command(
    recipe: str, out: str | Path, *, seed: int = 0, checkpoint: str | Path | None = None,
    frames: str | Path | None = None, threads: int = 1, device: str | None = None,
    progress: Callable[[str], None] = lambda _: None, **changes: Any,
) -> dict[str, Any]:  # fmt: skip
    """Train ``recipe`` and write the network to ``out`` as QONNX; returns what came of it.

    ``changes`` replace fields of the recipe (``method="lsq"``, ``wbits=4``). ``checkpoint`` is
    written after every epoch; where it is there already, training goes on from it and ends in the
    same weights. ``frames`` is an ``.npz`` to write test frames ``x`` and labels ``y`` to.
    ``device`` is cpu or cuda, by default cuda where there is one; on a CPU the same packages,
    seed and ``threads`` give the same bytes. A network of several precisions has an output for each,
    and the accuracies are those of the highest; ``outputs`` has them all. Raises HW601 without PyTorch, HW110 for a bad name or
    value, HW101 where data is missing, HW111 for what cannot be written, HW112 for a checkpoint of
    another run.
    """
    if find_spec("torch") is None:
        fail("HW601", where="hwgen train", why="training needs PyTorch, which is not installed",
             help="pip install 'hwgen[train]' (https://download.pytorch.org/whl/cpu has a small one)")  # fmt: skip
    import torch

    from hwgen.training.export import to_onnx
    from hwgen.training.fit import integer_accuracy
    from hwgen.training.recipes import train
    from hwgen.training.switchable import single, to_onnx_all

    out = Path(out)
    for path in (out, checkpoint, frames):
        if path is not None:
            check_writable(Path(path))
    for option, value in (("--seed", seed + 1), ("--threads", threads)):
        if value < 1:
            fail("HW110", where=option, why="it is too small", help="give a positive number")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        fail("HW110", where="--device", why=f"there is no {device} here", help="use cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        made = train(recipe, seed=seed, checkpoint=checkpoint, progress=progress, device=device,
                     **changes)  # fmt: skip
    finally:
        torch.set_num_threads(before)
    x, y = made.data.test
    write = to_onnx_all if made.by_bits else to_onnx
    model = write(made.net, made.data.shape, out.stem)
    progress("running the integer reference")
    count = min(len(x), INTEGER_FRAMES)
    nets = {bits: single(made.net, bits) for bits in made.by_bits} or {0: made.net}
    integers = {k: integer_accuracy(net, x[:count], y[:count]) for k, net in nets.items()}
    if frames is not None:
        write_atomically(Path(frames), lambda file: np.savez(file, x=x, y=y))
    write_atomically(out, lambda file: file.write(model.SerializeToString(deterministic=True)))
    by_bits = {f"y{k}": {"accuracy": score, "integer_accuracy": integers[k]}
               for k, score in made.by_bits.items()}  # fmt: skip
    return {"model": str(out), "recipe": recipe, "device": device, "seconds": made.seconds,
            "accuracy": made.accuracy, "test_frames": len(x),
            "integer_accuracy": integers[max(integers)], "integer_frames": count,
            "outputs": by_bits}  # fmt: skip
