"""Every error code: its title, its exit code and its long explanation.

``docs/errors.md`` and ``hwgen explain`` are made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

OK, MISMATCH, USAGE, REJECTED, UNSUPPORTED, TOOL, LIMIT, BUG, INTERRUPTED = (
    0, 1, 2, 3, 4, 5, 6, 70, 130,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of error. ``exit`` is what the command line returns."""

    title: str
    exit: int
    explanation: str


CODES: dict[str, Code] = {
    # HW1xx: what was given
    "HW101": Code("no such file", USAGE, "The path does not name a readable file."),
    "HW102": Code("not an ONNX model", REJECTED,
        "The bytes do not parse as an ONNX model: the file is something else, empty or cut short."),
    "HW103": Code("malformed model", REJECTED,
        "The file parses, but breaks a rule of ONNX: an edge without a producer, a name defined "
        "twice, a cycle, an initializer whose data does not fit its shape."),
    "HW104": Code("value is not a number", REJECTED,
        "A weight, scale or constant is NaN or infinite, or a scale is zero or negative where the "
        "format wants it positive. No integer stands for such a value."),
    "HW105": Code("shape is not fixed", UNSUPPORTED,
        "Hardware has one size. Every dimension but the batch must be a positive number; a "
        "symbolic batch is taken as one frame at a time."),
    "HW106": Code("limit exceeded", LIMIT,
        "A model file may only cost so much. The limits guard against hostile or broken files; "
        "each can be raised by its flag."),
    "HW110": Code("bad option", USAGE, "An option has a value that it cannot have."),
    "HW111": Code("output folder cannot be written", USAGE,
        "hwgen writes only under the folder given with -o, through no symbolic link, and replaces "
        "only folders that it made itself."),
    "HW112": Code("input does not fit the model", USAGE,
        "Frames are given as one array (N, ...) whose other dimensions are the model's input's."),
    "HW113": Code("not a build folder", USAGE,
        "The folder has no manifest.json that this version of hwgen can read."),
    # HW2xx: import
    "HW201": Code("operator is not supported", UNSUPPORTED,
        "No handler knows this operator, so that it can be neither built nor folded exactly."),
    "HW202": Code("use of the operator is not supported", UNSUPPORTED,
        "The operator is known, but not with these attributes, inputs or shapes."),
    "HW203": Code("tensor is not quantized", UNSUPPORTED,
        "A tensor reaches an integer operator without having met a quantizer: its values are real "
        "numbers, for which there is no integer hardware."),
    "HW204": Code("function is not monotone", UNSUPPORTED,
        "A chain of elementwise operators ends in a quantizer, but the whole is neither rising nor "
        "falling over the reachable integers, so that no threshold table stands for it."),
    "HW205": Code("model has other widths than asked for", USAGE,
        "--wbits and --abits state what a quantized model is meant to have. They are compared with "
        "what it has; they never change it."),
    "HW206": Code("nothing to build", UNSUPPORTED,
        "The model has no operator that becomes hardware."),
    # HW3xx: schedule
    "HW310": Code("no folding meets the interval", MISMATCH,
        "Even the largest legal folding of this layer takes more cycles per frame than asked for."),
    "HW311": Code("folding is not legal", USAGE,
        "PE must divide the output channels, SIMD the inputs of one output."),
    # HW4xx: emission
    "HW401": Code("Verilog could not be written", TOOL,
        "yosys, which turns the netlist into Verilog, failed."),
    # HW5xx: verification
    "HW501": Code("hardware differs from the reference", MISMATCH,
        "A simulated output is not the integer that the reference computes. This must never happen "
        "and is a fault of hwgen or of the simulator: please report it with the build folder."),
    "HW502": Code("simulation made no progress", MISMATCH,
        "No beat moved for much longer than the latency of the design."),
    "HW503": Code("stream protocol violated", MISMATCH,
        "The output changed or fell while it was valid and not yet accepted."),
    "HW504": Code("netlist differs from the reference", MISMATCH,
        "A simulated output of the netlist that synthesis made is not the integer that the reference "
        "computes. If `hwgen sim` finds the design itself equal, then the synthesis tool, or a model "
        "of one of its cells, is at fault: please report it with the build folder."),
    # HW6xx: tools
    "HW601": Code("tool is missing", TOOL,
        "An external program that this step needs is not installed. `hwgen doctor` lists them."),
    "HW602": Code("tool failed", TOOL, "An external program ended with an error."),
    "HW603": Code("tool took too long", LIMIT,
        "An external program was stopped at its time limit."),
    "HW604": Code("netlist cannot be simulated", TOOL,
        "The netlist has cells of which neither yosys nor hwgen has a model."),
    "HW900": Code("internal error", BUG,
        "A fault of hwgen. Please report it with the command and the model."),
}  # fmt: skip
