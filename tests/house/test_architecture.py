"""The structure stays visible: files import only from their own floor or lower ones, and never in a circle."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lrp_ref

PACKAGE = Path(__file__).parents[2] / "lrp_ref"

FLOORS = {  # lowest first: a folder imports only itself and folders before it
    "errors": "every error",
    "arithmetic": "number systems",
    "base": "array libraries, frozen values, tables",
    "heatmap": "pictures of arrays",
    "fast": "kernels and work memory",
    "rules": "rules as data, and share",
    "layers": "one family a file",
    "network": "named nodes, canonizing",
    "dialects": "what other programs compute under the names of rules",
    "propagation": "the method",
    "__init__": "public names",
}
WINGS = {  # on the core; wing → wings that it imports
    "loaders": {"neuralise"},  # estimators in files
    "bilrp": set(),
    "evaluate": set(),
    "literal": set(),
    "exact": set(),
    # Files of models and data; every wing that an application is about.
    "gallery": {"evaluate", "loaders", "methods", "neuralise", "spray", "text", "units"},
    "export": {"exact"},  # what a file is about: the network's hash
    "teach": {"literal", "vectors"},  # a message table is computed by the textbook; exercises are checked by vectors
    "vectors": set(),
    "methods": set(),
    "neuralise": set(),
    # What a page is about (hashes), the live page's network and graph, the numbers of a message table.
    "pages": {"exact", "export", "loaders", "teach"},
    "peers": {"loaders", "vectors"},  # files of arrays; cases as networks, reproducers as cases
    "model_checks": {"loaders"},
    # Which model a job is about; files of models and data; measures and strongest samples of what a store has, and what
    # ViRelAy reads of it.
    "scale": {"evaluate", "exact", "loaders", "methods", "spray"},
    "spray": set(),
    "text": {"loaders", "neuralise"},
    "units": {"methods"},  # receptive fields, upsampling, lists of the strongest
    "cli": {
        "bilrp",
        "evaluate",
        "exact",
        "export",
        "gallery",
        "loaders",
        "methods",
        "model_checks",
        "pages",
        "peers",
        "scale",
        "spray",
        "teach",
        "text",
        "units",
        "vectors",
    },
    "__main__": {"cli"},
}
DOORS = {  # a file of the core → the wing that one of its functions asks for, imported there and nowhere else
    ("propagation", "explanation"): {"pages"},  # an explanation shows itself: ``Explanation.to_html``
}
FLOOR = {name: k for k, name in enumerate(FLOORS)}
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def imports(path: Path) -> set[tuple[str, ...]]:
    """Modules of the package that a file imports, also inside functions, as paths below the package."""
    base = path.relative_to(PACKAGE).parts[:-1]
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            start = base[: len(base) - (node.level - 1)]
            target = (*start, *(node.module.split(".") if node.module else ()))
            names = [(*target, a.name) for a in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lrp_ref":
            target = tuple((node.module or "").split(".")[1:])
            names = [(*target, a.name) for a in node.names]
        elif isinstance(node, ast.Import):
            names = [tuple(a.name.split(".")[1:]) for a in node.names if a.name.split(".")[0] == "lrp_ref"]
        else:
            continue
        for name in names:
            while name and not (
                PACKAGE.joinpath(*name).with_suffix(".py").exists() or PACKAGE.joinpath(*name).is_dir()
            ):
                name = name[:-1]
            found.add(name or ("__init__",))
    return found


def test_every_file_has_a_floor() -> None:
    tops = {module_of(path)[0] for path in FILES}
    assert tops == {*FLOORS, *WINGS}


@pytest.mark.parametrize("path", FILES, ids=lambda p: ".".join(module_of(p)))
def test_files_import_only_their_own_folder_or_lower_ones(path: Path) -> None:
    here = module_of(path)[0]
    known = {here, *(WINGS.get(here, ()))}
    known |= {name for name in FLOORS if here in WINGS or FLOOR[name] < FLOOR[here]}
    known |= DOORS.get(module_of(path), set())
    names = here == "__init__"  # it says where every public name is
    assert names or not {".".join(m) for m in imports(path) if m[0] not in known}


@pytest.mark.parametrize("module", DOORS, ids=".".join)
def test_a_door_is_one_import_inside_a_function(module: tuple[str, ...]) -> None:
    path = PACKAGE.joinpath(*module).with_suffix(".py")
    assert {m[0] for m in imports(path)} & WINGS.keys() == DOORS[module]
    tops = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ImportFrom)]
    assert not {(n.module or "").split(".")[0] for n in tops} & DOORS[module]


def test_a_wing_named_here_is_still_imported() -> None:
    used = {name: {m[0] for p in FILES if module_of(p)[0] == name for m in imports(p)} for name in WINGS}
    assert {name: used[name] & WINGS.keys() - {name} for name in WINGS} == WINGS


def test_there_is_no_circle_of_imports() -> None:
    graph = {module_of(p): imports(p) - {module_of(p), ("__init__",)} for p in FILES if module_of(p) != ("__init__",)}
    for module, wings in DOORS.items():
        graph[module] = {m for m in graph[module] if m[0] not in wings}
    done: set[tuple[str, ...]] = set()

    def visit(module: tuple[str, ...], path: tuple[tuple[str, ...], ...]) -> None:
        assert module not in path, " → ".join(".".join(m) for m in (*path, module))
        if module in done:
            return
        for other in graph.get(module, ()):
            # A package's __init__ gathers its own files; that is not a circle.
            if other[: len(module)] != module and module[: len(other)] != other:
                visit(other, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def test_the_textbook_imports_nothing_of_the_fast_code() -> None:
    for path in (PACKAGE / "literal").glob("*.py"):
        assert all(m[0] == "literal" for m in imports(path)), path


def test_layers_rules_and_kernels_name_no_array_library() -> None:
    files = [
        *(PACKAGE / "layers").rglob("*.py"),
        *(PACKAGE / "rules").glob("*.py"),
        *(PACKAGE / "fast" / f for f in ("convolution.py", "windows.py")),
    ]
    for path in files:
        assert not re.search(r"^\s*(import|from) (numpy|cupy|scipy)", path.read_text(), re.M), path


def test_no_file_executes_or_unpickles_what_it_reads() -> None:
    for path in FILES:
        names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
        assert not names & {"eval", "exec", "pickle", "__import__"}, path
        assert "allow_pickle=True" not in path.read_text(), path


def test_importing_the_package_loads_numpy_and_no_other_third_party_package() -> None:
    code = (
        "import sys; before = set(sys.modules); import lrp_ref;"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(' '.join(sorted(m for m in new if m not in sys.stdlib_module_names and m != 'lrp_ref')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["numpy"]


# The names of the package -----------------------------------------------------------------------------------------


def namespace() -> ast.If:
    """The ``if TYPE_CHECKING`` of the package: imports for type checkers, and the table that Python uses."""
    body = ast.parse((PACKAGE / "__init__.py").read_text()).body
    return next(node for node in body if isinstance(node, ast.If))


def told() -> set[tuple[str | None, str]]:
    """What type checkers are told: (file, name in it), or (None, file)."""
    return {
        (n.module, alias.asname or alias.name)
        for n in namespace().body
        if isinstance(n, ast.ImportFrom)
        for alias in n.names
    }


def test_type_checkers_and_python_are_told_the_same_names() -> None:
    table = {ast.unparse(n.targets[0]): n.value for n in namespace().orelse if isinstance(n, ast.Assign)}
    modules, names = ast.literal_eval(table["_MODULES"]), ast.literal_eval(table["_NAMES"])
    used = {(file, name) for file in names for name in names[file]}
    used |= {(path.rpartition(".")[0] or None, name) for name, path in modules.items()}
    assert told() == used
    assert {name for _, name in told()} | {"LrpError", "arithmetic", "errors"} == set(lrp_ref.__all__)


@pytest.mark.parametrize("name", lrp_ref.__all__)
def test_every_name_is_there_and_stays_the_same(name: str) -> None:
    value = getattr(lrp_ref, name)
    assert getattr(lrp_ref, name) is value
    assert name in dir(lrp_ref)
    assert callable(value) == (not isinstance(value, ModuleType))
    if callable(value):
        assert value.__name__ == name


def test_no_folder_has_the_name_of_a_function() -> None:
    """Importing such a folder would put the module in the function's place."""
    names = {name for name in lrp_ref.__all__ if callable(getattr(lrp_ref, name))}
    assert not names & {module_of(path)[0] for path in FILES}


def test_a_name_that_is_not_there_is_refused_and_the_nearest_suggested() -> None:
    done = subprocess.run([sys.executable, "-c", "import lrp_ref; lrp_ref.explian"], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "AttributeError: module 'lrp_ref' has no attribute 'explian'. Did you mean: 'explain'?"
    )


def test_importing_the_package_imports_its_lowest_floor_only() -> None:
    code = "import sys, lrp_ref; print(*{m.split('.')[1] for m in sys.modules if m.startswith('lrp_ref.')})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"arithmetic", "errors"}
