"""One allow-list turns any model name into an identifier that every tool accepts."""

from __future__ import annotations

import hashlib
import re

MAX_LENGTH = 40
# Words that Verilog-2005, SystemVerilog or a netlist tool would not take as an instance name.
_RESERVED = """
    accept_on alias always and assert assign assume automatic before begin bind bit break buf
    bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
    constraint context continue cover cross deassign default defparam design disable dist do
    edge else end endcase endconfig endfunction endgenerate endmodule endprimitive endspecify
    endtable endtask enum event expect export extends extern final first_match for force foreach
    forever fork function generate genvar global highz0 highz1 if iff ifnone implements implies
    import incdir include initial inout input inside instance int integer interconnect interface
    intersect join large let liblist library local localparam logic longint macromodule matches
    medium modport module nand negedge nettype new nmos nor not null or output package packed
    parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown
    pullup pure rand randc randcase randsequence rcmos real realtime ref reg reject_on release
    repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always scalared sequence
    shortint shortreal signed small soft solve specify specparam static string strong strong0
    strong1 struct super supply0 supply1 table tagged task this throughout time timeprecision
    timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique
    unsigned until untyped use uwire var vectored virtual void wait wand weak weak0 weak1 while
    wildcard wire with within wor xnor xor clk rst aclk aresetn top
"""
RESERVED = frozenset(_RESERVED.split())


def identifier(name: str) -> str:
    """A safe identifier for ``name``: ``[a-z_][a-z0-9_]*``, at most 40 characters, no keyword.

    Lower case throughout, so that two names never differ by case alone (file systems, VHDL).
    Names that lose information get a short hash of the original, so that they stay distinct.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if plain[:1].isdigit() or not plain:
        plain = f"n_{plain}".rstrip("_")
    if plain in RESERVED or len(plain) > MAX_LENGTH:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
        plain = f"{plain[: MAX_LENGTH - 7].rstrip('_')}_{digest}"
    return plain


class Namer:
    """Hands out identifiers that are unique within one scope, in a deterministic order."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def __call__(self, name: str) -> str:
        base = identifier(name)
        unique, count = base, 1
        while unique in self._taken:
            count += 1
            unique = f"{base[: MAX_LENGTH - 5]}_{count}"
        self._taken.add(unique)
        return unique
