"""Text that would do something elsewhere: all of it harmless here, since none of it is used."""

from __future__ import annotations

from onnx import ModelProto

from tests.hostile.corpus import add, change, cnn, mlp, node

# Nothing that is built may contain one of these, whatever text of the model they come from.
TEXTS = {
    "shell": "$(touch /tmp/hwgen_was_here)", "backticks": "`touch /tmp/hwgen_was_here`",
    "semicolon": "a; touch /tmp/hwgen_was_here; #", "newline": "a\n`include \"/etc/passwd\"\nb",
    "tcl": "[exec touch /tmp/hwgen_was_here]", "make": "$(shell touch /tmp/hwgen_was_here)",
    "nul": "evil\0name", "direction": "evil\u202egpj.exe", "escape": "evil\x1b]0;title\x07",
    "comment": "evil */ assign y = 0; /*", "pragma": "evil synopsys translate_off",
    "attribute": "(* evil = 1 *)", "verilog_escape": "\\evil ; endmodule ",
    "html": "<script>alert('evil')</script>", "quote": "\"evil' \\", "path": "../../../evil",
    "absolute": "/etc/evil", "format": "{evil.__class__}%s%n", "python": "__import__('evil')",
    "spaces": "   evil   ", "slashes": "evil//name", "surrogates": "evil\U0001f4a5",
    "readmemh": "evil.mem\"); $finish; //", "json": "\"}, {\"evil\": \"", "dollar": "$evil$end",
}  # fmt: skip
KEYWORDS = ("module", "endmodule", "always", "clk", "rst", "top", "bench", "hwgen_rom_block", "con")


def named(text: str) -> ModelProto:
    """``cnn`` with ``text`` in every place for text."""
    model = cnn()
    graph = model.graph
    renamed = {"": ""}
    for given in (*graph.input, *graph.initializer):
        renamed[given.name] = f"{text}{len(renamed)}"
    for each in graph.node:
        for output in each.output:
            renamed[output] = f"{text}{len(renamed)}"
    for each in graph.node:
        each.input[:] = [renamed[name] for name in each.input]
        each.output[:] = [renamed[name] for name in each.output]
        each.name, each.doc_string = f"{text}{each.name}", text
        each.metadata_props.add(key=text, value=text)
    for given in (*graph.input, *graph.output, *graph.initializer):
        given.name, given.doc_string = renamed[given.name], text
    graph.name = graph.doc_string = model.doc_string = model.producer_name = model.domain = text
    model.metadata_props.add(key=text, value=text)
    return model


for _name, _text in TEXTS.items():
    add(f"text_{_name}", lambda text=_text: named(text))
for _word in KEYWORDS:
    add(f"word_{_word}", lambda word=_word: _node_names(word, word.upper()))


def _node_names(*names: str) -> ModelProto:
    """``cnn`` with its nodes called so, in turn."""
    model = cnn()
    for k, each in enumerate(model.graph.node):
        each.name = names[k % len(names)]
    return model


add("names_equal", lambda: _node_names("same"))
add("names_empty", lambda: _node_names(""))
add("names_that_collide", lambda: _node_names("a.b", "a_b", "A_B", "a/b", "a b_2"))
add("names_that_collide_with_numbers", lambda: _node_names("a", "a", "a_2", "a_3"))
add("names_long", lambda: _node_names("x" * 4000, "x" * 3999 + "y"))
add("name_200_kb", lambda: _node_names("x" * 200_000), "HW106")


@change("HW106")
def input_name_2_mb(model: ModelProto) -> None:
    model.graph.input[0].name = node(model, "Quant").input[0] = "x" * (2 << 20)


@change("HW106")
def dimension_name_2_mb(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "x" * (2 << 20)


@change()
def doc_string_4_mb(model: ModelProto) -> None:
    model.doc_string = "*/ endmodule /* evil " * 200_000


def no_utf8() -> bytes:
    """Names that are no UTF-8, of the same length as before."""
    data = mlp().SerializeToString()
    return data.replace(b"MatMul_", b"\xff\xfe\xc0\x80\xed\xa0\x80")


add("names_no_utf8", no_utf8, "HW102", "HW103")
