"""Which package may know which: read from the source, so that no import escapes, lazy or not."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hwgen
import hwgen.ops
from hwgen.ir.op import Op

PACKAGE = Path(hwgen.__file__).parent
TESTS = Path(__file__).parents[1]

# What each package may import of hwgen, beside itself. Modules at the top may import all of them.
ABOVE_OPS = {"ops", "ir", "core"}
LAYERS = {
    "core": set(),
    "ir": {"core"},
    "hw": {"core"},
    "lowering": {"hw", "ir", "core"},
    "ops": {"lowering", "hw", "ir", "core"},
    "passes": ABOVE_OPS,
    "frontends": ABOVE_OPS,
    "schedule": {*ABOVE_OPS, "lowering"},
    "emit": {*ABOVE_OPS, "lowering", "hw", "schedule"},
    "synth": {"emit", "core"},
    "verify": {"ir", "core"},
    "report": {*ABOVE_OPS, "lowering", "schedule"},
    "quantize": {*ABOVE_OPS, "frontends"},
    "training": {*ABOVE_OPS, "frontends", "quantize"},
}
# Where each package that hwgen depends on may be imported.
OUTSIDE = {
    "numpy": {*LAYERS, ""},
    "amaranth": {"hw", "ops", "lowering", "emit"},
    "onnx": {"frontends", "training"},  # read by the one, written by the other
    "onnxruntime": {"frontends"},
    "google": {"frontends"},
    "torch": {"training", "train"},
    "sklearn": {"training"},
    "mlxtend": {"training"},
    "skimage": {"training"},
    "simulator": {""},  # a file of sim/, not a package
}
HARDWARE = ("hwgen.hw", "hwgen.lowering", "amaranth")


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "_data" not in p.parts)


def layer_of(path: Path) -> str:
    """The package of a module; "" for those at the top, which the command line is."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 and parts[0] != "cli" else ""


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            assert node.module
            if node.module == "hwgen":
                yield from (f"hwgen.{alias.name}" for alias in node.names)
            else:
                yield node.module


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def test_every_package_has_its_place() -> None:
    assert {layer_of(path) for path in modules()} <= {*LAYERS, ""}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports(path: Path) -> None:
    layer = layer_of(path)
    for name in imported(parsed(path)):
        first, _, rest = name.partition(".")
        if first == "hwgen":
            target = rest.partition(".")[0]
            hidden = set() if path.name == "train.py" else {"training"}
            allowed = {*LAYERS[layer], layer} if layer else {*LAYERS} - hidden
            at_top = not layer and target not in LAYERS
            assert at_top or target in allowed, f"hwgen.{layer or path.stem} imports {name}"
        elif first not in sys.stdlib_module_names:
            where = OUTSIDE.get(first, set())
            assert layer in where or path.stem in where, f"hwgen.{layer} imports {name}"


def operators() -> list[type[Op]]:
    found = [getattr(hwgen.ops, name) for name in hwgen.ops.__all__]
    assert all(isinstance(cls, type) and issubclass(cls, Op) for cls in found)
    return found


@pytest.mark.parametrize("op", operators(), ids=lambda op: op.__name__)
def test_references_share_nothing_with_the_hardware(op: type[Op]) -> None:
    """No name reachable from ``reference`` comes from a package that knows hardware."""
    definitions, tainted = {}, set()
    for cls in (c for c in reversed(op.__mro__) if c.__module__.startswith("hwgen.ops")):
        tree = parsed(Path(inspect.getfile(cls)))
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                definitions[node.name] = node
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(HARDWARE):
                tainted |= {alias.asname or alias.name for alias in node.names}
        body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == cls.__name__)
        definitions |= {n.name: n for n in body.body if isinstance(n, ast.FunctionDef)}
    assert "reference" in definitions
    waiting, seen = ["reference"], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in definitions:
            continue
        seen.add(name)
        for node in ast.walk(definitions[name]):
            used = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
            if isinstance(used, str):
                assert used not in tainted, f"{op.__name__}.{name} uses {used}"
                waiting.append(used)


@pytest.mark.parametrize("op", operators(), ids=lambda op: op.__name__)
def test_every_operator_has_tests_and_a_docstring(op: type[Op]) -> None:
    test = TESTS / "ops" / f"test_{op.__module__.rpartition('.')[2]}.py"
    assert test.is_file(), f"{op.__name__} has no {test.name}"
    assert op.__name__ in test.read_text("utf-8")
    assert op.__doc__ and not op.__doc__.startswith(f"{op.__name__}("), "dataclass writes its own"


def test_the_catalogue_is_complete() -> None:
    assert {cls.__name__ for cls in operators()} == {
        name for name, cls in Op.registry.items()
        if cls.__module__.startswith("hwgen.ops.") and not inspect.isabstract(cls)
    }  # fmt: skip


def test_public_names_exist() -> None:
    count = 0
    for path in modules():
        if layer_of(path) == "training":
            continue  # needs torch
        tree = parsed(path)
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
                name = ".".join(part for part in parts if part != "__init__")
                module = importlib.import_module(name)
                names = ast.literal_eval(node.value)
                assert names == sorted(set(names), key=names.index), f"{name}: a name twice"
                assert all(hasattr(module, public) for public in names), name
                count += 1
    assert count >= 6


def test_the_rules_can_fail() -> None:
    """The walk sees imports of every form and depth."""
    text = (
        "import onnx.helper\ndef f():\n    from hwgen.hw import fifo\n    from hwgen import api\n"
    )
    assert set(imported(ast.parse(text))) == {"onnx.helper", "hwgen.hw", "hwgen.api"}
