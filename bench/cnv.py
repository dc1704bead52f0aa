"""A CNV-shaped network at random weights: builds it, simulates frames, prints what was measured.

python bench/cnv.py [--bits 1 2] [--fps 3000] [--clock-mhz 200] [--frames 2] [-o build/cnv]

Six 3x3 convolutions without padding (64, 64, 128, 128, 256, 256 channels), two 2x2 max pools,
three dense layers (512, 512, 10), a 32x32x3 input of 8 bits: the topology of FINN's CNV.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hwgen import api

DOMAIN = "qonnx.custom_op.general"
CONVOLUTIONS = ((3, 64), (64, 64), "pool", (64, 128), (128, 128), "pool", (128, 256), (256, 256))
DENSE = ((256, 512), (512, 512), (512, 10))


class Writer:
    """Collects nodes and initializers; each call appends one node and returns its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: list[onnx.TensorProto] = []

    def constant(self, value: object) -> str:
        name = f"c{len(self.arrays)}"
        self.arrays.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [name], name, domain=domain, **attributes)  # type: ignore[arg-type]
        )
        return name

    def quant(self, x: str, bits: int, scale: float, *, signed: bool, narrow: bool = False) -> str:
        """A quantizer of ``bits``; one bit is bipolar."""
        if bits == 1:
            return self.node("BipolarQuant", x, self.constant(scale), domain=DOMAIN)
        given = [self.constant(v) for v in (scale, 0.0, float(bits))]
        return self.node("Quant", x, *given, domain=DOMAIN, signed=int(signed), narrow=int(narrow),
                         rounding_mode="ROUND")  # fmt: skip

    def batchnorm(self, x: str, channels: int, fan_in: float, rng: np.random.Generator) -> str:
        """Normalisation that spreads a sum of ``fan_in`` products over the next quantizer."""
        gamma, beta = rng.uniform(0.5, 1.5, channels), rng.uniform(-0.3, 0.3, channels)
        mean, var = rng.normal(0, 0.1, channels) * fan_in**0.5, np.full(channels, fan_in)
        return self.node("BatchNormalization", x, *map(self.constant, (gamma, beta, mean, var)))


def cnv(bits: int, seed: int = 0) -> onnx.ModelProto:
    """CNV with weights and activations of ``bits``; activations are signed, as in FINN's."""
    rng, w = np.random.default_rng(seed), Writer()
    x = w.quant("x", 8, 1 / 128, signed=True)
    for layer in CONVOLUTIONS:
        if layer == "pool":
            x = w.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
            continue
        ci, co = layer
        weight = w.quant(w.constant(rng.normal(0, 1, (co, ci, 3, 3))), bits, 1.0, signed=True)
        x = w.node("Conv", x, weight, kernel_shape=[3, 3])
        x = w.quant(w.batchnorm(x, co, 9.0 * ci, rng), bits, 1.0, signed=True)
    x = w.node("Flatten", x)
    for k, (ci, co) in enumerate(DENSE):
        weight = w.quant(w.constant(rng.normal(0, 1, (ci, co))), bits, 1.0, signed=True)
        x = w.node("MatMul", x, weight)
        if k < len(DENSE) - 1:
            x = w.quant(w.batchnorm(x, co, float(ci), rng), bits, 1.0, signed=True)
    graph = helper.make_graph(
        w.nodes, f"cnv_w{bits}a{bits}",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 32, 32))],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, (1, 10))],
        w.arrays,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bits", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--fps", type=float, default=3000)
    parser.add_argument("--clock-mhz", type=float, default=200)
    parser.add_argument("--frames", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, default=Path("build/cnv"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for bits in options.bits:
        model = options.out / f"cnv_w{bits}a{bits}.onnx"
        model.write_bytes(cnv(bits).SerializeToString())
        start = time.perf_counter()
        built = api.build(
            model, options.out / model.stem, fps=options.fps, clock_mhz=options.clock_mhz,
            frames=options.frames,
        )  # fmt: skip
        built_s = time.perf_counter() - start
        result = api.simulate(built.folder)
        row = {
            "network": model.stem, "frames": result["frames"], "mismatches": result["mismatches"],
            "interval": result["interval"], "predicted": built.manifest["interval"],
            "latency": result["latency"], "cycles": result["cycles"],
            "build_s": round(built_s, 1), "sim_s": round(time.perf_counter() - start - built_s, 1),
        }  # fmt: skip
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
