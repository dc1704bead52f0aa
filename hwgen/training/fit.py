"""Training itself, with checkpoints, and accuracy: of the network, and of its integers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from hwgen.core.errors import fail
from hwgen.training.data import Data
from hwgen.training.export import to_onnx
from hwgen.training.quantizers import clamp_latent

Progress = Callable[[str], None]
Loss = Callable[[nn.Module, Tensor, Tensor, float], Tensor]


class Stepper(Protocol):
    """What takes an optimizer's place: the optimizer itself, or :class:`sparsify.Splitting`."""

    def zero_grad(self) -> None: ...
    def step(self) -> Any: ...
    def state_dict(self) -> dict: ...
    def load_state_dict(self, state: dict) -> None: ...


Wrap = Callable[[torch.optim.Optimizer, int], Stepper]


def fit(net: nn.Module, data: Data, *, epochs: int, rate: float, batch: int = 64, seed: int = 0,
        loss: Loss | None = None, wrap: Wrap | None = None,
        checkpoint: str | Path | None = None, progress: Progress | None = None,
        label: str = "", run: str = "") -> Stepper:  # fmt: skip
    """Adam with a cosine schedule per step; the loss is cross-entropy where none is given.

    ``loss(net, x, y, t)`` sees how far training is, ``t`` in [0, 1). ``wrap(optimizer, steps)``
    makes what steps in the optimizer's place, and is returned. ``run`` names the run in its
    checkpoint, so that no other goes on from it. Batches are drawn from ``seed`` and the epoch
    alone, so that a resumed run sees the same ones.
    """
    device = next(net.parameters()).device
    x, y = (torch.from_numpy(a).to(device) for a in data.train)
    with torch.no_grad():  # quantizers that start from data do so before the optimizer is made
        net.train()(x[:batch])
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=rate)
    steps = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    stepper: Stepper = optimizer if wrap is None else wrap(optimizer, steps)
    first = _resume(checkpoint, net, stepper, schedule, run)
    for epoch in range(first, epochs):
        net.train()
        total, draw = 0.0, torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(x), generator=draw).to(device)
        for i, chosen in enumerate(order.split(batch)):
            t = (epoch + i * batch / len(x)) / epochs
            cost = (nn.functional.cross_entropy(net(x[chosen]), y[chosen]) if loss is None
                    else loss(net, x[chosen], y[chosen], t))  # fmt: skip
            stepper.zero_grad()
            cost.backward()
            stepper.step()
            clamp_latent(net)
            schedule.step()
            total += float(cost.detach()) * len(chosen)
        if checkpoint is not None:
            _save(Path(checkpoint), net, stepper, schedule, epoch + 1, run)
        if progress is not None:
            progress(f"{label} epoch {epoch + 1}/{epochs}: loss {total / len(x):.3f}")
    return stepper


def _save(path: Path, net: nn.Module, stepper: Stepper,
          schedule: torch.optim.lr_scheduler.LRScheduler, epoch: int, run: str) -> None:  # fmt: skip
    """State dictionaries and numbers only; the file appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    torch.save({"net": net.state_dict(), "optimizer": stepper.state_dict(),
                "schedule": schedule.state_dict(), "epoch": epoch, "run": run}, part)  # fmt: skip
    part.replace(path)


def _resume(path: str | Path | None, net: nn.Module, stepper: Stepper,
            schedule: torch.optim.lr_scheduler.LRScheduler, run: str) -> int:  # fmt: skip
    """The epoch to begin with, once the checkpoint is loaded; 0 without one."""
    if path is None or not Path(path).exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["run"] != run:
            raise ValueError(f"it belongs to {state['run']}")
        net.load_state_dict(state["net"])
        stepper.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        return int(state["epoch"])
    except Exception as error:  # torch.load raises many kinds for a file that is none of ours
        fail("HW112", where=str(path), why=f"no checkpoint of this network: {str(error)[:200]}",
             help="delete it, or name another file")  # fmt: skip


@torch.no_grad()
def accuracy(net: nn.Module, x: np.ndarray, y: np.ndarray, batch: int = 500) -> float:
    """Percent of frames whose greatest output is their label, in evaluation mode."""
    net.eval()
    device = next(net.parameters()).device
    parts = [net(torch.from_numpy(part).to(device)).argmax(1).cpu()
             for part in np.array_split(x, -(-len(x) // batch))]  # fmt: skip
    return float((torch.cat(parts).numpy() == y).mean() * 100)


def integer_accuracy(net: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """The same of the integers: exported, lifted and run by hwgen's NumPy reference."""
    from hwgen.frontends import lift, source_of
    from hwgen.ir.execute import run_frames

    graph = lift(source_of(to_onnx(net, x.shape[1:])))
    (outputs,) = run_frames(graph, {"x": x}).values()
    return float((outputs.argmax(1) == y).mean() * 100)
