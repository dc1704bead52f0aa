"""The page and the plot of what quantization lost."""

import math
from xml.etree import ElementTree

import numpy as np

from hwgen.quantize import post_training
from hwgen.report.sqnr import page, plot
from tests.quantize.nets import cnn, frames, residual

SVG = "{http://www.w3.org/2000/svg}"


def content(build=residual):
    rng = np.random.default_rng(0)
    source = build(rng)
    report = post_training(source, 3, 4, frames(rng, source, 32))[1].as_dict()
    return {**report, "layers": list(report["layers"])}


def test_the_worst_layers_are_named_with_their_rank():
    found = content()
    texts = {t.text: t.get("fill") for t in ElementTree.fromstring(plot(found)).iter(f"{SVG}text")}
    for rank, name in enumerate(found["worst"], 1):
        assert texts[f"{rank}. {name}"] == "#d33"
        assert f"{rank}. {name}: " in page(found)
    one = content(cnn)
    one["worst"] = one["worst"][:1]
    (other,) = {layer["name"] for layer in one["layers"]} - set(one["worst"])
    texts = [t.text for t in ElementTree.fromstring(plot(one)).iter(f"{SVG}text")]
    assert other in texts


def test_marks_stand_at_their_decibels():
    """Each layer has four, as far to the right of the axis as their ratio says."""
    found = content()
    tree = ElementTree.fromstring(plot(found))
    axis = {t.text: float(t.get("x", 0)) for t in tree.iter(f"{SVG}text")}
    per_decibel = (axis["20"] - axis["10"]) / 10
    filled = [c for c in tree.iter(f"{SVG}circle") if c.get("r") == "5"][1:]  # the legend's first
    assert len(filled) == len(found["layers"])
    for circle, layer in zip(filled, found["layers"], strict=True):
        place = (float(circle.get("cx", 0)) - axis["0"]) / per_decibel
        assert abs(place - layer["sqnr_alone"]) < 0.05
    rows = [float(c.get("cy", 0)) for c in filled]
    assert rows == sorted(rows)


def test_names_and_numbers_that_cannot_be_drawn():
    found = content()
    old, name = found["layers"][0]["name"], "<b>&|\n"
    found["layers"][0] |= {"name": name, "sqnr": math.inf, "sqnr_alone": math.nan}
    found["worst"] = [name if worst == old else worst for worst in found["worst"]]
    found["agreement"] = None
    tree = ElementTree.fromstring(plot(found))
    assert len([c for c in tree.iter(f"{SVG}circle") if c.get("r") == "5"]) == len(found["layers"])
    assert "<b>" not in page(found) and "|\n|\n" not in page(found)
    assert "nan" not in plot(found) and "inf" not in plot(found)
