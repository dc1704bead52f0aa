"""A netlist in RTLIL text, made fit to be read as Verilog.

Amaranth names modules by path (``net.conv1.window``), disambiguates with ``$`` and gives a wire to
every alias and every lane. Here each name becomes a plain identifier, the next value of a register
``x`` is called ``x_next``, aliases that nothing reads are dropped, attributes about the source are
removed, and every ROM's key gives way to the name of its file. Only names change: cells and
processes pass through as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hwgen.core.names import RESERVED

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|(\\\S+|\$\d+\b)')
_DECLARE = re.compile(r"\s*(?:wire|memory)\s.*?(\\\S+)$")
_CELL = re.compile(r"\s*cell (\S+) (\S+)$")
_CONNECT = re.compile(r"connect (\\\S+) (?!\[)(.*)$")
_PORT = re.compile(r"( (?:input|output|inout) )(\d+) ")
_STREAM = re.compile(r"\\[io]\d*__(?:valid|ready|payload)$")  # what a testbench looks at
_DROPPED = re.compile(r"\s*attribute \\(?:generator|top|src|enum_\S*|amaranth\.\S*|hdlname) ")


@dataclass(slots=True)
class _Module:
    path: str
    lines: list[str]
    names: dict[str, str] = field(default_factory=dict)  # in the netlist, with its mark -> plain


@dataclass(frozen=True, slots=True)
class Plain:
    """RTLIL with plain names. ``modules``: Verilog name by path; ``roms``: file name by key."""

    text: str
    modules: Mapping[str, str]
    roms: Mapping[str, str]


def plain(text: str, *, core: str = "core") -> Plain:
    """Plain names for the RTLIL that Amaranth wrote.

    The submodule ``core`` of the top is transparent: it adds nothing to the names below it.
    """
    modules = _split(text)
    short = {path: _without(path, core) for path in modules}
    names = _unique(short.values())
    paths = {path: names[short[path]] for path in modules}
    for module in modules.values():
        _drop_aliases(module)
        declared = _declared(module)
        nexts = {d: f"{q[1:]}_next" for d, q in _registers(module) if q in declared}
        safe = _unique([*(name[1:] for name in declared), *nexts.values()])
        module.names = {name: safe[name[1:]] for name in declared}
        module.names |= {d: safe[name] for d, name in nexts.items()}
    roms: dict[str, str] = {}
    body = [_rename(module, modules, paths, short, roms) for module in modules.values()]
    assert len({name.lower() for name in roms.values()}) == len(roms), "two ROMs share a file"
    return Plain("".join(body), paths, roms)


def _split(text: str) -> dict[str, _Module]:
    """The modules by path, in the order of the text."""
    modules: dict[str, _Module] = {}
    current: list[str] = []
    for line in text.splitlines():
        if line.startswith("module "):
            path = line.split()[1][1:]
            current = modules.setdefault(path, _Module(path, [])).lines
        elif line and not _DROPPED.match(line) and modules:
            current.append(line)
    return modules


def _without(path: str, core: str) -> str:
    parts = path.split(".")
    return ".".join(p for i, p in enumerate(parts) if i != 1 or p != core or len(parts) == 2)


def _unique(names: Iterable[str]) -> dict[str, str]:
    """A distinct plain identifier for each name; names that are plain already keep theirs."""
    names = list(dict.fromkeys(names))
    safe = {name: re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "_" for name in names}
    taken = {name for name in names if safe[name] == name and name not in _KEYWORDS}
    result: dict[str, str] = {}
    for name in names:
        base = safe[name]
        if base == name and name in taken:
            result[name] = name
            continue
        base = f"n_{base}" if base[0].isdigit() else base
        unique, count = base, 1
        while unique in taken or unique in _KEYWORDS:
            count += 1
            unique = f"{base}_{count}"
        taken.add(unique)
        result[name] = unique
    return result


# Reserved for nodes of a graph, but the very names of clock, reset and top.
_KEYWORDS = RESERVED - {"clk", "rst", "aclk", "aresetn", "top"}


def _declared(module: _Module) -> list[str]:
    found = []
    for line in module.lines:
        if match := _DECLARE.match(line):
            found.append(match[1])
        elif (match := _CELL.match(line)) and match[2][0] == "\\":
            found.append(match[2])
    return found


def _registers(module: _Module) -> list[tuple[str, str]]:
    """Pairs of the unnamed wire that a register loads, and the register."""
    pairs = re.findall(
        r"connect \\D (\$\d+) \[\S+\n *connect \\CLK .*\n *connect \\Q (\\\S+)$",
        "\n".join(module.lines),
        re.M,
    )
    uses = Counter(q for _, q in pairs)
    return [(d, q) for d, q in pairs if uses[q] == 1]


def _drop_aliases(module: _Module) -> None:
    """Remove wires that are only a second name of others and that nothing reads."""
    wires = {}
    uses: Counter[str] = Counter()
    for line in module.lines:
        if (match := _DECLARE.match(line)) and " memory " not in f" {line}":
            wires[match[1]] = bool(_PORT.search(line))
        else:
            uses.update(token[1] for token in _TOKEN.finditer(line) if token[1])
    dead = {
        match[1]
        for line in module.lines
        if (match := _CONNECT.match(line))
        and wires.get(match[1]) is False
        and uses[match[1]] == 1
        and not _STREAM.match(match[1])
    }
    kept: list[str] = []
    for line in module.lines:
        match = _DECLARE.match(line) or _CONNECT.match(line)
        if match and match[1] in dead:
            while kept and kept[-1].lstrip().startswith("attribute "):
                kept.pop()
        else:
            kept.append(line)
    module.lines = kept


def _rename(
    module: _Module,
    modules: Mapping[str, _Module],
    paths: Mapping[str, str],
    short: Mapping[str, str],
    roms: dict[str, str],
) -> str:
    """The text of a module in plain names; notes the files of its ROMs."""

    def local(token: re.Match[str]) -> str:
        name = module.names.get(token[1])
        assert name or (token[1] or "$")[0] == "$", f"{token[1]} is not declared"
        return f"\\{name}" if name else token[0]

    out = [f"module \\{paths[module.path]}"]
    child: Mapping[str, str] | None = None  # names of the ports of the cell at hand
    cell = ""
    for line in module.lines:
        if match := _CELL.match(line):
            kind, cell = match[1], match[2]
            path = kind[1:]
            child = modules[path].names if path in modules else {}
            kind = f"\\{paths[path]}" if path in modules else kind
            cell = f"\\{module.names[cell]}" if cell[0] == "\\" else cell
            out.append(f"  cell {kind} {cell}")
        elif child is not None and line.strip() == "end":
            child = None
            out.append(line)
        elif child is not None:
            word, name, value = line.strip().split(" ", 2)
            if word == "connect":
                port = f"\\{child.get(name, name[1:])}"
                out.append(f"    connect {port} {_TOKEN.sub(local, value)}")
            elif name == "\\MEMID":
                out.append(f'    parameter \\MEMID "\\\\{module.names[value[2:-1]]}"')
            elif name == "\\INIT" and value.startswith('"rom:'):
                place = [*short[module.path].split(".")[1:], cell[1:]]
                roms[value[1:-1]] = file = f"mem/{'_'.join(place)}.mem"
                out.append(f'    parameter \\INIT "{file}"')
            else:
                out.append(line)
        elif line.lstrip().startswith("attribute "):
            out.append(line)
        elif match := _PORT.search(line):  # yosys counts ports from 1, and keeps that order
            line = _PORT.sub(lambda m: f"{m[1]}{int(m[2]) + 1} ", line)
            out.append(_TOKEN.sub(local, line))
        else:
            out.append(_TOKEN.sub(local, line))
    return "\n".join([*out, ""])
