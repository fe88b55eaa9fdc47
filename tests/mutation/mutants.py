"""Mutants of a source file: cosmic-ray's operators, less what changes only annotations or the text of an error."""

import ast
import marshal
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

CO_OPTIMIZED = 1  # set on functions, not on class bodies
BINARY = {  # cosmic-ray replaces every operator by all eleven others: nine of those crash at once and prove nothing
    "Add": ("Sub", "Mul"), "Sub": ("Add", "Mul"), "Mul": ("Add", "Div"), "Div": ("Mul", "FloorDiv"),
    "FloorDiv": ("Mul", "Add"), "Mod": ("Mul", "Add"), "Pow": ("Mul", "Add"), "LShift": ("RShift",),
    "RShift": ("LShift",), "BitOr": ("BitAnd",), "BitAnd": ("BitOr",), "BitXor": ("BitAnd",),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One changed place of one file.

    ``functions`` pairs the (qualified name, first line) of every function that differs with its new code, marshalled;
    None where something outside of functions differs, so that the module has to be imported anew.
    """

    path: Path
    line: int
    operator: str
    was: str
    now: str
    source: str
    functions: tuple[tuple[tuple[str, int], bytes], ...] | None

    @property
    def key(self) -> tuple[str, str, str]:
        """File and text of the change: it stays when lines move."""
        return str(self.path), self.was, self.now


def mutants(path: Path, share: float = 1.0, seed: int = 0) -> list[Mutant]:
    """Return the mutants of a file, or a random share of them, in the order of the file."""
    source = path.read_text()
    found = list(_all(path, source))
    kept = random.Random(f"{seed} {path}").sample(range(len(found)), round(share * len(found)))
    return [found[k] for k in sorted(kept)]


def _all(path: Path, source: str) -> Iterator[Mutant]:
    plain, compiled = _behaviour(source), compile(source, str(path.resolve()), "exec", dont_inherit=True)
    seen = {plain}
    position, lines = 0, source.splitlines()
    for node in get_ast(source).children:  # statement by statement: parsing a whole file per mutant takes minutes
        text = node.get_code()
        before, after = source[:position], source[position + len(text) :]
        position += len(text)
        for name, occurrence, start in _places(text):
            changed = mutate_code(text, get_operator(name)(), occurrence)
            if changed is None:
                continue
            mutated = before + changed + after
            behaviour = _behaviour(mutated)
            if behaviour is None or behaviour in seen or ("Eq_" in name and _orders_text(mutated)):
                continue
            seen.add(behaviour)
            code = compile(mutated, str(path.resolve()), "exec", dont_inherit=True)
            was, now = _difference(lines, mutated.splitlines())
            line = before.count("\n") + start
            operator = name.removeprefix("core/")
            yield Mutant(path, line, operator, was, now, mutated, _functions(compiled, code))


def _places(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield (operator, occurrence, line within the text) of every place that an operator without arguments changes."""
    nodes = list(ast_nodes(get_ast(text)))
    for name in filter(_used, operator_names()):
        operator = get_operator(name)()
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (start, _) in enumerate(places):
            yield name, occurrence, start[0]


def _used(name: str) -> bool:
    """Whether an operator is used: == and ``is`` are not exchanged, they agree on interned values."""
    kind, *pair = name.removeprefix("core/").split("_")
    if kind == "ReplaceBinaryOperator":
        return pair[1] in BINARY[pair[0]]
    if kind == "ReplaceComparisonOperator":
        return ("Is" in pair or "IsNot" in pair) == (set(pair) == {"Is", "IsNot"})
    return not get_operator(name).arguments()


def _orders_text(source: str) -> bool:
    """Whether a program asks if one text is less than another: a mutant of == that agrees or not by the alphabet."""
    ordering = ast.Lt | ast.LtE | ast.Gt | ast.GtE
    return any(
        isinstance(part, ast.Compare)
        and any(isinstance(op, ordering) for op in part.ops)
        and any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in part.comparators)
        for part in ast.walk(ast.parse(source))
    )


class _Plain(ast.NodeTransformer):
    """Take out what no test should depend on: annotations and the words of an error message."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant("ClassVar" in ast.unparse(node.annotation))
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args = []
        return node


def _behaviour(source: str) -> str | None:
    """Return the program without annotations and error messages, or None if it is none."""
    try:
        return ast.dump(_Plain().visit(ast.parse(source)))
    except SyntaxError:
        return None


def _difference(old: list[str], new: list[str]) -> tuple[str, str]:
    """Return the differing lines of two texts, stripped and joined."""
    first = next((k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    was, now = (" ".join(line.strip() for line in text[first : len(text) - last]) for text in (old, new))
    return was, now


def _functions(old: CodeType, new: CodeType) -> tuple[tuple[tuple[str, int], bytes], ...] | None:
    if _own(old) != _own(new):
        return None
    found: list[tuple[tuple[str, int], bytes]] = []
    for a, b in zip(_nested(old), _nested(new), strict=True):
        if a == b:
            continue
        if a.co_flags & CO_OPTIMIZED:
            if a.co_freevars != b.co_freevars:
                return None
            found.append(((a.co_qualname, a.co_firstlineno), marshal.dumps(b)))
        elif (inner := _functions(a, b)) is None:
            return None
        else:
            found += inner
    return tuple(found)


def _nested(code: CodeType) -> list[CodeType]:
    return [const for const in code.co_consts if isinstance(const, CodeType)]


def _own(code: CodeType) -> tuple[object, ...]:
    """What a module or class body does by itself, its functions apart."""
    constants = ["code" if isinstance(const, CodeType) else repr(const) for const in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, constants
