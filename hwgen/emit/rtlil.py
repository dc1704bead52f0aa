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
from collections.abc import Mapping
from dataclasses import dataclass, field

from hwgen.core.names import RESERVED

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|(\\\S+|\$\d+\b)')
_DECLARE = re.compile(r"\s*(?:wire|memory)\s.*?(\\\S+)$")
_CELL = re.compile(r"\s*cell (\S+) (\S+)$")
_CONNECT = re.compile(r"connect (\\\S+) (?!\[)(.*)$")
_INNER = re.compile(r"^    (?:connect|parameter) \S+")
_PIN = re.compile(r"    connect (\\\S+) (\\\S+)(?: \[\S+)?$")
_PAIR = re.compile(r"__|\$")  # a signal of a stream, or one of several of its name
_PORT = re.compile(r"( (?:input|output|inout) )(\d+) ")
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
    shallow = sorted(modules, key=lambda path: short[path].count("."))
    names = _unique({path: short[path] for path in shallow})
    paths = {path: names[path] for path in modules}
    for module in modules.values():
        _drop_aliases(module)
        names = _unique(_wishes(module, modules))
        nexts = {d: f"{names[q]}_next" for d, q in _registers(module) if q in names}
        module.names = _unique(names | nexts)
    places: dict[str, str] = {}
    body = [_rename(module, modules, paths, short, places) for module in modules.values()]
    roms = {key: f"mem/{file}.mem" for key, file in _unique(places).items()}
    text = re.sub(r'"(rom:\d+)"', lambda match: f'"{roms[match[1]]}"', "".join(body))
    return Plain(text, paths, roms)


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


def _unique(wishes: Mapping[str, str]) -> dict[str, str]:
    """A distinct plain identifier for each key, made of what it wishes; the first come wins."""
    taken: set[str] = set()
    result: dict[str, str] = {}
    for name, wish in wishes.items():
        base = re.sub(r"\W+", "_", wish, flags=re.ASCII).strip("_") or "n"
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


def _wishes(module: _Module, modules: Mapping[str, _Module]) -> dict[str, str]:
    """What each name of a module would like to be called, in the order of precedence.

    A port is called as in its component, although Amaranth may have given that name to a signal of
    a part; then come names that are plain, and the others. A stream from a part is called after
    that part.
    """
    ports, inner = [], []
    for line in module.lines:
        if match := _DECLARE.match(line):
            (ports if _PORT.search(line) else inner).append(match[1])
        elif (match := _CELL.match(line)) and match[2][0] == "\\":
            inner.append(match[2])
    stems = Counter(name.split("$")[0] for name in ports)
    alone = [name for name in ports if stems[name.split("$")[0]] == 1]
    inner.sort(key=lambda name: not re.fullmatch(r"\\\w+", name, re.ASCII))
    wishes = {name: name[1:].split("$")[0] for name in alone}
    wishes |= {name: name[1:] for name in [*ports, *inner] if name not in wishes}
    wishes |= {k: v for k, v in _outputs_of_parts(module, modules).items() if k in inner}
    return wishes


def _outputs_of_parts(module: _Module, modules: Mapping[str, _Module]) -> dict[str, str]:
    """``part_port`` for each wire of a stream, or without a name of its own, that a part drives."""
    found: dict[str, str] = {}
    part, outputs = "", frozenset()
    for line in module.lines:
        if match := _CELL.match(line):
            part, child = match[2][1:], modules.get(match[1][1:])
            outputs = frozenset(
                wire[1]
                for text in (child.lines if child else ())
                if " output " in text and (wire := _DECLARE.match(text))
            )
        elif (match := _PIN.match(line)) and match[1] in outputs and _PAIR.search(match[2]):
            found[match[2]] = f"{part}_{match[1][1:].split('$')[0]}"
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
            read = _INNER.sub("", line)  # what follows there is the name of a port, not of a wire
            uses.update(token[1] for token in _TOKEN.finditer(read) if token[1])
    dead = {
        match[1]
        for line in module.lines
        if (match := _CONNECT.match(line)) and wires.get(match[1]) is False and uses[match[1]] == 1
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
    places: dict[str, str],
) -> str:
    """The text of a module in plain names; notes the path of each ROM by its key."""

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
                places[value[1:-1]] = ".".join([*short[module.path].split(".")[1:], cell[1:]])
                out.append(line)
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
