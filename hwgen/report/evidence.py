"""How the integers of a build compare with those of the source model, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwgen.report.markdown import cell


def summary(evidence: Mapping[str, Any]) -> str:
    """One line."""
    if "why" in evidence:
        return f"not compared: {evidence['why']}"
    differ, ties = evidence["differ"], evidence["ties"]
    compared = f"{evidence['integers']} integers of {len(evidence['rows'])} quantizers on " \
               f"{evidence['frames']} frames"  # fmt: skip
    if not differ:
        return f"{compared}, all equal to those of onnxruntime"
    if differ == ties:
        return f"{compared}, {differ} differ from onnxruntime's, all of them rounding ties"
    return f"{compared}, {differ} differ from onnxruntime's, {differ - ties} BY NO ROUNDING TIE: " \
           "please report this model"  # fmt: skip


def tables(evidence: Mapping[str, Any]) -> str:
    """A section of the report, quantizer by quantizer and output by output."""
    lines = ["## Beside the source model", "", f"{summary(evidence)}.".capitalize(), ""]
    if "why" in evidence:
        return "\n".join(lines)
    lines += [
        "Each quantizer is given the source's own integers, so that a difference shows where it "
        "arises. A tie: the exact number lies as near to the boundary as the source's float32 "
        "arithmetic is off there (noise, in steps of the quantizer).", "",
        "| quantizer | integers | differ | ties | noise |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for row in evidence["rows"]:
        noise = "" if row["noise"] is None else f"{row['noise']:.1e}"
        lines.append(f"| {cell(row['tensor'])} | {row['integers']} | {row['differ']} | "
                     f"{row['ties']} | {noise} |")  # fmt: skip
    lines += ["", "Outputs of the whole graph, with no help on the way:", "",
              "| output | numbers | differ | by at most | integers that differ |", "|---|---|---|---|---|"]  # fmt: skip
    lines += [
        f"| {cell(o['tensor'])} | {o['numbers']} | {o['differ']} | {o['greatest']:g} | "
        f"{'' if o['integers_differ'] is None else o['integers_differ']} |"
        for o in evidence["outputs"]
    ]
    return "\n".join([*lines, ""])
