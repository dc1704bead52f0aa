"""Small reproductions of the training methods; regenerates the tables of docs/research.md.

python bench/research.py [--seeds 5] [--only sat qgt sparsity switch] [--write]

Every arm of a seed sees the same batches, so that arms are compared in pairs. "integers" is the
accuracy of hwgen's NumPy integer reference on the exported network. Without ``--write`` the tables
are printed only. Needs torch, and HWGEN_DATA for Fashion-MNIST: `make bench-research`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hwgen.training import qgt, sparsify
from hwgen.training import switchable as sw
from hwgen.training.data import Data, load
from hwgen.training.fit import Stepper, accuracy, fit, integer_accuracy
from hwgen.training.methods import SETTLED, replace_relu
from hwgen.training.network import Recipe, float_network
from hwgen.training.prune import remove_channels
from hwgen.training.quantizers import (
    CGPact,
    DoReFa,
    LSQActivation,
    quantize_weight,
    weight_layers,
)
from hwgen.training.recipes import recipe_of, train

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "bench/results/research.json", ROOT / "docs/research.md"
DEEP = Recipe("mnist14", (12, "pool", 16, 16, "pool"), (32,), epochs=5)
Arm = dict[str, float]


def scored(net: nn.Sequential, data: Data, **more: float) -> Arm:
    """Accuracy of the network in torch and of its integers, in percent."""
    torch_score = accuracy(net, *data.test)
    return {"fake-quantized": torch_score, "integers": integer_accuracy(net, *data.test), **more}


def sat(seed: int) -> dict[str, Arm]:
    recipe = recipe_of("fashion14", wbits=2, abits=2)
    data = load(recipe.data)
    torch.manual_seed(seed)
    net = float_network(recipe, data)
    fit(net, data, epochs=recipe.epochs, rate=recipe.rate, seed=seed)
    arms: dict[str, Arm] = {"float": {"fake-quantized": accuracy(net, *data.test)}}
    for name, method in {"DoReFa + PACT": "pact", "DoReFa + CG-PACT": "cg-pact", "SAT": "sat",
                         "SAT, centered grid": "sat-centered", "LSQ": "lsq"}.items():  # fmt: skip
        arms[name] = scored(train(replace(recipe, method=method), seed=seed).net, data)
    return arms


def wide_activations(seed: int, data: Data, recipe: Recipe = DEEP) -> nn.Sequential:
    """The deep network with float weights and 8-bit activations."""
    torch.manual_seed(seed)
    net = float_network(recipe, data)
    replace_relu(net, lambda: LSQActivation(8))
    return net


def guided(seed: int) -> dict[str, Arm]:
    data = load(DEEP.data)
    x = torch.from_numpy(data.train[0][:1000])
    names = [name for name, _ in weight_layers(wide_activations(seed, data))]
    bits = dict.fromkeys(names, 2) | {names[0]: 8, names[-1]: 8}
    inner = dict.fromkeys(names[1:-1], 2)
    arms: dict[str, Arm] = {}
    for label, schedule in (("plain", None), ("guided", qgt.Schedule(3e-2, 30.0))):
        net = wide_activations(seed, data)

        def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, t: float,
                 schedule: qgt.Schedule | None = schedule) -> torch.Tensor:  # fmt: skip
            task = nn.functional.cross_entropy(net(x), y)
            return task if schedule is None else task + schedule(t) * qgt.regularizer(net, inner)

        fit(net, data, epochs=DEEP.epochs, rate=DEEP.rate, seed=seed, loss=loss)
        low, full = qgt.rom_bytes(net, bits)
        arms[f"{label}, float weights"] = {
            "fake-quantized": accuracy(net, *data.test),
            "bytes": full,
        }
        snapped = qgt.snap(deepcopy(net), bits)
        arms[f"{label}, snapped"] = scored(snapped, data, bytes=low)
        qgt.reestimate(snapped, x.split(250))
        arms[f"{label}, snapped + BN"] = scored(snapped, data, bytes=low)
    return arms


def sparsity(seed: int) -> dict[str, Arm]:
    data = load(DEEP.data)
    x = torch.from_numpy(data.train[0][:1000])

    def finish(net: nn.Sequential) -> Arm:
        removed = remove_channels(net)
        qgt.reestimate(net, x.split(250))
        names = [name for name, _ in weight_layers(net)]
        left = sum(int((layer.weight != 0).sum()) for _, layer in weight_layers(net))
        qgt.snap(net, dict.fromkeys(names, 8))
        return scored(net, data, weights=left, removed=removed)

    def trained(prox: sparsify.Prox | None, kind: type[sparsify.Splitting], beta: float,
                settle: float | None = None) -> nn.Sequential:  # fmt: skip
        net = wide_activations(seed, data)

        def wrap(optimizer: torch.optim.Optimizer, steps: int) -> Stepper:
            if prox is None:
                return optimizer
            share = None if settle is None else round(settle * steps)
            return kind(optimizer, targets(net), prox, beta, share)

        stepper = fit(net, data, epochs=DEEP.epochs, rate=DEEP.rate, seed=seed, wrap=wrap)
        if isinstance(stepper, sparsify.Splitting):
            stepper.deliver()
        return net

    def targets(net: nn.Module) -> list[torch.Tensor]:
        return [layer.weight for _, layer in weight_layers(net) if isinstance(layer, nn.Conv2d)][1:]

    dense = trained(None, sparsify.Splitting, 0)
    arms = {"dense": finish(deepcopy(dense))}
    for label, prox in (("half of the channels", sparsify.keep_channels(0.5)),
                        ("20 % of the weights", sparsify.keep_weights(0.2))):  # fmt: skip
        cut = deepcopy(dense)
        sparsify.one_shot(targets(cut), prox)
        arms[f"one shot, {label}"] = finish(cut)
        arms[f"RVSM splitting, {label}"] = finish(trained(prox, sparsify.Splitting, 1.0))
        arms[f"ADMM, {label}"] = finish(trained(prox, sparsify.ADMM, 1.0))
    arms["RVSM splitting, removed, trained on"] = finish(
        trained(sparsify.keep_channels(0.5), sparsify.Splitting, 1.0, SETTLED))  # fmt: skip
    return arms


PRECISIONS = (8, 4, 2)


def switch(seed: int) -> dict[str, Arm]:
    recipe = recipe_of("digits", epochs=10)
    data = load(recipe.data)

    def fresh() -> nn.Sequential:
        torch.manual_seed(seed)
        return float_network(recipe, data)

    arms: dict[str, Arm] = {}
    for bits in PRECISIONS:
        net = fresh()
        for _, layer in list(weight_layers(net)):
            quantize_weight(layer, DoReFa(bits, "centered"))
        replace_relu(net, lambda bits=bits: CGPact(bits))
        fit(net, data, epochs=recipe.epochs, rate=recipe.rate, seed=seed)
        arms[f"independent, {bits} bit"] = scored(net, data)
    kinds: dict[str, sw.Distillation] = {"shared BN": "none", "private BN": "none",
                                         "private BN, distilled": "recursive"}  # fmt: skip
    for label, mode in kinds.items():
        net = sw.make_switchable(fresh(), PRECISIONS)
        if label == "shared BN":
            share_norms(net)

        def loss(net: nn.Module, x: torch.Tensor, y: torch.Tensor, _: float,
                 mode: sw.Distillation = mode) -> torch.Tensor:  # fmt: skip
            return sw.distill(net, x, y, PRECISIONS, mode)

        fit(net, data, epochs=recipe.epochs, rate=recipe.rate, seed=seed, loss=loss)
        for bits in PRECISIONS:
            arms[f"{label}, {bits} bit"] = scored(sw.single(net, bits), data)
    return arms


def share_norms(net: nn.Module) -> None:
    """One BatchNorm for all precisions: what the private ones are compared with."""
    for module in net.modules():
        if isinstance(module, sw.Switch) and isinstance(module.chosen, nn.BatchNorm2d):
            first = module.chosen
            for key in module.options:
                module.options[key] = first


# name: what runs, which pairs (better, worse, margin in points) the papers lead one to expect
Pair = tuple[str, str, float]
EXPERIMENTS: dict[str, tuple[Callable[[int], dict[str, Arm]], list[Pair]]] = {
    "sat": (sat, [("DoReFa + CG-PACT", "DoReFa + PACT", 0), ("SAT", "DoReFa + CG-PACT", 0),
                  ("SAT", "DoReFa + PACT", 0), ("LSQ", "DoReFa + PACT", 0)]),
    "qgt": (guided, [("guided, snapped", "plain, snapped", 0),
                     ("guided, snapped + BN", "plain, snapped + BN", 0),
                     ("guided, snapped + BN", "plain, float weights", -3)]),
    "sparsity": (sparsity, [
        ("RVSM splitting, half of the channels", "dense", -1.5),
        ("RVSM splitting, removed, trained on", "dense", -1.5),
        ("RVSM splitting, half of the channels", "one shot, half of the channels", 0),
        ("ADMM, half of the channels", "one shot, half of the channels", 0),
        ("RVSM splitting, 20 % of the weights", "one shot, 20 % of the weights", 0),
        ("ADMM, 20 % of the weights", "one shot, 20 % of the weights", 0),
    ]),
    "switch": (switch, [(f"private BN, {k} bit", f"independent, {k} bit", -3) for k in PRECISIONS]
               + [(f"private BN, {k} bit", f"shared BN, {k} bit", 0) for k in PRECISIONS]
               + [(f"private BN, distilled, {k} bit", f"private BN, {k} bit", 0) for k in (4, 2)]),
}  # fmt: skip


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"


def table(runs: list[dict[str, Arm]]) -> str:
    """One row per arm: mean and standard deviation over the runs."""
    columns = [key for key in ("fake-quantized", "integers", "bytes", "weights", "removed")
               if any(key in arm for arm in runs[0].values())]  # fmt: skip
    lines = ["| arm | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for arm in runs[0]:
        cells = []
        for column in columns:
            values = [run[arm][column] for run in runs if column in run[arm]]
            whole = column in ("bytes", "weights", "removed")
            cells.append("" if not values else f"{statistics.mean(values):.0f}" if whole
                         else spread(values))  # fmt: skip
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def score(arm: Arm) -> float:
    return arm.get("integers", arm["fake-quantized"])


def verdicts(runs: list[dict[str, Arm]], pairs: list[Pair]) -> str:
    """The mean difference of each pair and whether it is beyond two standard errors."""
    lines = ["| expected | difference in points | |", "|---|---|---|"]
    for better, worse, margin in pairs:
        gaps = [score(run[better]) - score(run[worse]) for run in runs]
        mean, error = statistics.mean(gaps), statistics.stdev(gaps) / len(gaps) ** 0.5
        if margin:
            expected = f"{better}: at most {-margin:g} below {worse}"
            verdict = "as expected" if mean >= margin else "**not reproduced**"
        else:
            expected = f"{better} above {worse}"
            clear = abs(mean) > 2 * error
            verdict = "within noise" if not clear else "as expected" if mean > 0 else "**reversed**"
        lines.append(f"| {expected} | {mean:+.1f} ± {error:.1f} | {verdict} |")
    return "\n".join(lines)


def write(results: dict[str, dict]) -> None:
    """Replace what stands between the markers of docs/research.md."""
    page = PAGE.read_text()
    for name, result in results.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        head, rest = page.split(begin, 1)
        page = head + begin + "\n" + text(name, result) + "\n" + end + rest.split(end, 1)[1]
    PAGE.write_text(page)
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(stored | results, indent=1) + "\n")


def text(name: str, result: dict) -> str:
    runs = result["runs"]
    seconds = f"{len(runs)} seeds, {result['seconds']:.0f} s of one core."
    return f"{table(runs)}\n\n{verdicts(runs, EXPERIMENTS[name][1])}\n\n{seconds}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(EXPERIMENTS), choices=EXPERIMENTS)
    parser.add_argument("--write", action="store_true", help="into docs/research.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    results = {}
    for name in options.only:
        run, _ = EXPERIMENTS[name]
        start, runs = time.process_time(), []
        for seed in range(options.seeds):
            print(f"{name}: seed {seed}", file=sys.stderr, flush=True)
            runs.append(run(seed))
        results[name] = {"runs": runs, "seconds": round(time.process_time() - start)}
        print(f"## {name}\n\n{text(name, results[name])}\n", flush=True)
        if options.write:
            write({name: results[name]})


if __name__ == "__main__":
    main()
