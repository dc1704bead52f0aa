"""One network per training method all the way to Verilog; a table of docs/research.md.

python bench/research_rtl.py [--only sat qgt ...] [--write]

Trains on scikit-learn's digits (seed 0), exports, builds, and simulates 120 test images at full
rate and under random stalls. Every integer must be the reference's, or there is no row; the
accuracy is then that of the Verilog. Needs torch here, and hwgen with a simulator in the `.venv/bin`
of the checkout: `make bench-research`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from research_common import DEEP, PAGE, ROOT, wide_activations
from torch import nn

from hwgen.training import qgt, sparsify
from hwgen.training import switchable as sw
from hwgen.training.a2q import A2Q
from hwgen.training.data import Data, load
from hwgen.training.export import to_onnx
from hwgen.training.fit import fit
from hwgen.training.network import float_network
from hwgen.training.prune import remove_channels
from hwgen.training.quantizers import LSQActivation, quantize_weight, weight_layers
from hwgen.training.recipes import recipe_of, train

FRAMES = 120
RESULTS = ROOT / "bench/results/research_rtl.json"
SMALL = replace(DEEP, data="digits", epochs=8)
HWGEN = ROOT / ".venv/bin/hwgen"


def by_recipe(method: str, bits: int = 2) -> Callable[[Data], nn.Sequential]:
    def make(_: Data) -> nn.Sequential:
        changes = {"wbits": bits, "abits": bits}
        return train("digits", method=method, epochs=8, **changes).net

    return make


def guided(data: Data) -> nn.Sequential:
    net = wide_activations(0, data, SMALL)
    names = [name for name, _ in weight_layers(net)]
    inner, schedule = dict.fromkeys(names[1:-1], 2), qgt.Schedule(3e-2, 30.0)

    def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, t: float) -> torch.Tensor:
        return nn.functional.cross_entropy(net(x), y) + schedule(t) * qgt.regularizer(net, inner)

    fit(net, data, epochs=SMALL.epochs, rate=SMALL.rate, loss=loss)
    qgt.snap(net, inner | {names[0]: 8, names[-1]: 8})
    return reestimated(net, data)


def sparse(prox: sparsify.Prox, method: str | None = None) -> Callable[[Data], nn.Sequential]:
    """Relaxed splitting on the inner convolutions; with ``method``, its quantizers are on."""

    def make(data: Data) -> nn.Sequential:
        net = wide_activations(0, data, SMALL)
        made: list[sparsify.Splitting] = []

        def step(optimizer: torch.optim.Optimizer) -> None:
            if not made:
                inner = [x.weight for _, x in weight_layers(net) if isinstance(x, nn.Conv2d)][1:]
                made.append(sparsify.Splitting(optimizer, inner, prox, 1.0))
            made[0].step()

        if method is not None:  # binarized activations ahead of the sparse convolutions (RVSCGD)
            for i, module in enumerate(net):
                if isinstance(module, LSQActivation):
                    net[i] = LSQActivation(1)
        fit(net, data, epochs=SMALL.epochs, rate=SMALL.rate, step=step)
        made[0].deliver()
        remove_channels(net)
        reestimated(net, data)
        return qgt.snap(net, dict.fromkeys([name for name, _ in weight_layers(net)], 8))

    return make


def reestimated(net: nn.Sequential, data: Data) -> nn.Sequential:
    qgt.reestimate(net, torch.from_numpy(data.train[0][:1000]).split(250))
    return net


def accumulators(data: Data) -> nn.Sequential:
    """A2Q+: 12-bit accumulators in the inner layers, 4-bit weights and activations."""
    torch.manual_seed(0)
    net = float_network(SMALL, data)
    layers = [layer for _, layer in weight_layers(net)]
    for i, module in enumerate(net):
        if isinstance(module, nn.ReLU):
            net[i] = LSQActivation(4)
    for layer in layers:
        inputs = 4 if layer is not layers[0] else data.bits
        quantize_weight(layer, A2Q(4, layer.weight.shape[0], inputs=inputs, accumulator=12,
                                   plus=True))  # fmt: skip
    fit(net, data, epochs=SMALL.epochs, rate=SMALL.rate)
    return net


def switched(bits: int) -> Callable[[Data], nn.Sequential]:
    def make(data: Data) -> nn.Sequential:
        torch.manual_seed(0)
        recipe = recipe_of("digits", epochs=8)
        net = sw.make_switchable(float_network(recipe, data), (8, 4, 2))
        fit(net, data, epochs=recipe.epochs, rate=recipe.rate,
            loss=lambda net, x, y, _: sw.distill(net, x, y, (8, 4, 2), "none"))  # fmt: skip
        return sw.single(net, bits)

    return make


NETWORKS: dict[str, Callable[[Data], nn.Sequential]] = {
    "PACT W2A2": by_recipe("pact"), "SAT W2A2": by_recipe("sat"), "LSQ W2A2": by_recipe("lsq"),
    "TQT W4A4": by_recipe("tqt", 4), "N2UQ W2A2": by_recipe("n2uq"), "HWGQ W2A2": by_recipe("hwgq"),
    "ternary, A2": by_recipe("ternary"), "XNOR W1A1": by_recipe("xnor", 1),
    "QGT W2A8": guided,
    "RVSM, half of the channels": sparse(sparsify.keep_channels(0.5)),
    "RVSM, 20 % of the weights": sparse(sparsify.keep_weights(0.2)),
    "RVSM, 20 % of the weights, A1": sparse(sparsify.keep_weights(0.2), "binary"),
    "A2Q+ W4A4, 12-bit accumulators": accumulators,
    "SP-Net at 8 bits": switched(8), "SP-Net at 4 bits": switched(4),
    "SP-Net at 2 bits": switched(2),
}  # fmt: skip


def measured(net: nn.Sequential, data: Data) -> dict[str, float]:
    """Build and simulate; raises CalledProcessError where one integer differs."""
    x, y = (part[:FRAMES] for part in data.test)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "net.onnx").write_bytes(to_onnx(net, data.shape).SerializeToString())
        np.save(folder / "x.npy", x)
        built = hwgen("build", folder / "net.onnx", "--frames-file", folder / "x.npy",
                      "--frames", FRAMES, "-o", folder / "b")  # fmt: skip
        found = hwgen("sim", folder / "b")
        assert found["mismatches"] == 0 and found["frames"] >= 2 * FRAMES
        hwgen(
            "run",
            folder / "b",
            "--engine",
            "rtl",
            "--input",
            folder / "x.npy",
            "--output",
            folder / "y.npy",
        )
        right = np.load(folder / "y.npy").reshape(len(x), -1).argmax(1) == y
        weights = sum(int((layer.weight != 0).sum()) for _, layer in weight_layers(net))
        rom = sum(_bytes(path) for path in (folder / "b").rglob("*.mem"))
    return {
        "fake-quantized": float((net(torch.from_numpy(x)).argmax(1).numpy() == y).mean() * 100),
        "verilog": float(right.mean() * 100), "frames": len(x), "weights": weights, "rom": rom,
        "lut": sum(stage["estimate"]["lut"] for stage in built["stages"]),
        "interval": found["interval"],
    }  # fmt: skip


def _bytes(path: Path) -> int:
    """What the words of a memory file hold: 4 bits per hexadecimal digit."""
    lines = [line.split("//")[0].split() for line in path.read_text("ascii").splitlines()]
    return sum(len(word) for line in lines for word in line if word[0] != "@") // 2


def hwgen(*words: object) -> dict:
    done = subprocess.run([str(HWGEN), *map(str, words), "--json"], capture_output=True, text=True,
                          check=True)  # fmt: skip
    return json.loads(done.stdout)


def write(rows: dict[str, dict[str, float]]) -> None:
    """Merge into the results and put the table between the markers of the page."""
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored = {name: (stored | rows)[name] for name in NETWORKS if name in stored | rows}
    RESULTS.write_text(json.dumps(stored, indent=1) + "\n")
    head = ("network", "PyTorch, %", "Verilog, %", "weights not 0", "ROM bytes", "LUT (est.)",
            "cycles/frame")  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += [
        f"| {name} | {row['fake-quantized']:.1f} | {row['verilog']:.1f} | {row['weights']} | "
        f"{row['rom']} | {row['lut']} | {row['interval']} |" for name, row in stored.items()
    ]  # fmt: skip
    begin, end = "<!-- rtl -->", "<!-- /rtl -->"
    before, rest = PAGE.read_text().split(begin, 1)
    PAGE.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + end + rest.split(end, 1)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--write", action="store_true", help="into docs/research.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = load("digits")
    for name in options.only:
        row = measured(NETWORKS[name](data).eval(), data)
        print(f"{name}: {json.dumps(row)}", file=sys.stderr, flush=True)
        if options.write:
            write({name: row})


if __name__ == "__main__":
    main()
