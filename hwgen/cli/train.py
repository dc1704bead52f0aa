"""hwgen train: train a small network with quantizers on (needs PyTorch)."""

from __future__ import annotations

import argparse

from hwgen.terminal import Terminal

TEXT = "train a small network with quantizers on (needs PyTorch)"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe",
        help="digits, digits-mlp, mnist14, mnist, fashion14, fashion, cifar10, faces or jets",
    )
    parser.add_argument("-o", "--out", required=True, help=".onnx to write")
    parser.add_argument(
        "--method", help="sat, lsq, qgt, rvsm, sp-net ... (the recipe's): docs/training.md"
    )
    parser.add_argument("--wbits", type=int, help="bits of inner weights, 1 to 8")
    parser.add_argument("--abits", type=int, help="bits of activations, 1 to 8")
    parser.add_argument("--edge-bits", type=int, help="weight bits of the first and last layer (8)")
    parser.add_argument("--keep", type=float, help="share kept by rvsm, admm, rvscgd and rgsm")
    parser.add_argument("--accumulator", type=int, help="accumulator bits of a2q and a2q+ (12)")
    parser.add_argument("--epochs", type=int, help="passes over the data")
    parser.add_argument("--rate", type=float, help="where the learning rate begins")
    parser.add_argument("--batch", type=int, help="frames per step")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and batches (0)")
    parser.add_argument("--checkpoint", metavar="FILE", help="state to go on from, if it is there")
    parser.add_argument("--test-frames", metavar="FILE", help=".npz to write test frames to")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (1)")
    parser.add_argument("--device", help="cpu or cuda (cuda where there is one)")


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    from hwgen.train import command

    fields = (
        "method",
        "wbits",
        "abits",
        "edge_bits",
        "keep",
        "accumulator",
        "epochs",
        "rate",
        "batch",
    )
    changes = {f: value for f in fields if (value := getattr(options, f)) is not None}
    found = command(
        options.recipe,
        options.out,
        seed=options.seed,
        checkpoint=options.checkpoint,
        frames=options.test_frames,
        threads=options.threads,
        device=options.device,
        progress=terminal.progress,
        **changes,
    )
    frames = f" --frames-file {options.test_frames}" if options.test_frames else ""
    if found["outputs"]:
        frames = f" --output-name {list(found['outputs'])[-1]}{frames}"
    terminal.result(
        found,
        f"{found['accuracy']:.2f}% of {found['test_frames']} test frames in PyTorch; "
        f"{found['integer_accuracy']:.2f}% of {found['integer_frames']} by the integers\n"
        f"{options.out} written after {found['seconds']:.0f} s on {found['device']}\n"
        f"  next: hwgen build {options.out}{frames}",
    )
