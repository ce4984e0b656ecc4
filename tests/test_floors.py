"""The floors of the house: imports go down, never up, never in a circle; pure floors know no flax."""

import ast
import pathlib

import semjax

ROOT = pathlib.Path(semjax.__file__).parent
FLOORS = (
    ("types", "contracts"),
    ("channels", "phy", "losses", "metrics", "parallel", "nn"),
    ("scenes", "store", "codecs", "link"),
    ("encoders", "importance", "bottlenecks", "decoders", "lite"),
    ("data",),
    ("systems", "teachers"),
    ("training", "evaluators", "benchmark"),
    ("app",),
)
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
NO_FLAX = ("channels", "phy", "losses", "metrics", "scenes", "store", "link")
LOOP_AND_STEP = ("semjax.app.train.train", "semjax.training.step.make_step")
NAMED_SYSTEMS = ("jscc", "public_deepjscc")


def module_name(path: pathlib.Path, root: pathlib.Path = ROOT) -> str:
    parts = [root.name, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str) -> set[str]:
    """Full names of all that is imported, anywhere in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def breaches(module: str, source: str) -> list[str]:
    """Sentences about the imports of one module that the house forbids."""
    here, told = room(module), []
    for name in sorted(imports(source)):
        there = room(name) if name.startswith("semjax.") else ""
        if there and here and there in FLOOR_OF and FLOOR_OF[there] > FLOOR_OF[here]:
            told.append(f"{module} imports {name}: upwards")
        if name.split(".")[0] in ("flax", "torch", "tensorflow") and here in NO_FLAX:
            told.append(f"{module} imports {name}: {here} is plain JAX and numpy")
        if here == "systems" and there == "teachers":
            told.append(f"{module} imports {name}: systems never see teachers")
        if here == "training" and there == "systems" and any(n in name for n in NAMED_SYSTEMS):
            told.append(f"{module} imports {name}: training knows no system by name")
        if name.split(".")[0] == "configs":
            told.append(f"{module} imports {name}: nothing imports configs")
    return told


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Import circles, each as a list of modules."""
    done: set[str] = set()
    found: list[list[str]] = []

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            found.append([*trail[trail.index(module) :], module])
            return
        if module in done:
            return
        for target in sorted(edges.get(module, ())):
            visit(target, [*trail, module])
        done.add(module)

    for module in sorted(edges):
        visit(module, [])
    return found


def sources() -> dict[str, str]:
    return {module_name(path): path.read_text() for path in sorted(ROOT.rglob("*.py"))}


def test_every_room_stands_on_a_floor() -> None:
    rooms = {room(module) for module in sources()} - {""}
    assert rooms <= set(FLOOR_OF), f"rooms on no floor: {sorted(rooms - set(FLOOR_OF))}"


def test_no_upward_import() -> None:
    told = [line for module, source in sources().items() for line in breaches(module, source)]
    assert not told, "\n".join(told)


def test_no_circle() -> None:
    files = sources()
    packages = {module for module in files if (ROOT.parent / module.replace(".", "/")).is_dir()}
    # A package's __init__ is an edge only where its own names are imported, not where one of its modules is.
    edges = {m: {t for t in imports(s) if t in files and t != m and t not in packages} for m, s in files.items()}
    assert not circles(edges)


def test_the_check_sees_a_breach() -> None:
    assert breaches("semjax.channels.awgn", "from semjax.systems.base import send")
    assert breaches("semjax.losses.distortion", "import flax.linen as nn")
    assert breaches("semjax.training.step", "def f():\n    from semjax.systems import jscc")
    assert not breaches("semjax.app.train", "from semjax.systems.base import send")
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}})


def test_files_and_functions_stay_small() -> None:
    long = {name: count for name, source in sources().items() if (count := source.count("\n")) > 300}
    assert not long, f"files over 300 lines: {long}"
    functions = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, source in sources().items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }
    long = {name: count for name, count in functions.items() if count > (60 if name in LOOP_AND_STEP else 40)}
    assert not long, f"functions over 40 lines (60 for the loop and the step): {long}"


def test_no_rooms_without_a_noun() -> None:
    bad = [m for m in sources() if m.rsplit(".", 1)[-1] in ("utils", "util", "common", "helpers", "helper", "misc")]
    assert not bad
