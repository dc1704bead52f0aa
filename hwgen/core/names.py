"""One allow-list turns any model name into an identifier that every tool accepts."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

MAX_LENGTH = 40
# What Verilog-2005, SystemVerilog or a netlist tool would not take as an instance name, what
# Windows would not take as a file name, and what the hardware around a model is called.
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
    bench axis axis_source axis_sink stream stream_probe
    aux con nul prn com1 com2 com3 com4 com5 com6 com7 com8 com9
    lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
"""
RESERVED = frozenset(_RESERVED.split())
OURS = "hwgen"  # modules and files of our own begin with it


def identifier(name: str) -> str:
    """A safe identifier for ``name``: ``[a-z_][a-z0-9_]*``, at most 40 characters, no keyword.

    Lower case throughout, so that two names never differ by case alone (file systems, VHDL). A
    name that is too long or reserved gets a short hash of itself; others may become equal, and a
    :class:`Namer` tells those apart. An identifier is its own identifier.
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not plain or plain[0].isdigit() or plain.startswith(OURS):
        plain = f"n_{plain}".rstrip("_")
    if plain in RESERVED or len(plain) > MAX_LENGTH:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
        plain = _with_suffix(plain, digest)
    return plain


def file_name(name: str) -> str:
    """``name`` itself where it is a harmless name of a file, else its identifier."""
    harmless = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name, re.ASCII)
    return name if harmless and name.lower() not in RESERVED else identifier(name)


def _with_suffix(plain: str, suffix: str) -> str:
    """Both, joined by one underscore, within the greatest length."""
    return f"{plain[: MAX_LENGTH - 1 - len(suffix)].rstrip('_')}_{suffix}"


class Namer:
    """Hands out identifiers that are unique within one scope, in a deterministic order."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._count: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        base = unique = identifier(name)
        while unique in self._taken:
            self._count[base] += 1
            unique = _with_suffix(base, str(self._count[base] + 1))
        self._taken.add(unique)
        return unique
