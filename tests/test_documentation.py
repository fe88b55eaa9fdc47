"""What is public is documented; what the README and the guides show is run."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp

ROOT = Path(__file__).parent.parent
MODULES = [lrp.arithmetic, lrp.composites, lrp.edits, lrp.errors, lrp.heatmap, lrp.layers, lrp.rules, lrp.start]


def public_objects() -> list[tuple[str, Any]]:
    found = {f"lrp.{name}": getattr(lrp, name) for name in lrp.__all__}
    for module in MODULES:
        for name, value in vars(module).items():
            ours = getattr(value, "__module__", "").startswith("lrp_ref")
            if not name.startswith("_") and ours and (inspect.isclass(value) or inspect.isfunction(value)):
                found[f"{module.__name__}.{name}"] = value
    return sorted(found.items())


@pytest.mark.parametrize(("name", "value"), public_objects(), ids=lambda v: v if isinstance(v, str) else "")
def test_every_public_name_is_documented(name: str, value: Any) -> None:
    text = inspect.getdoc(value) or ""
    assert len(text) > 10, name
    # The constructor signature that dataclasses write is no documentation.
    assert not re.fullmatch(r"\w+\(.*\)", text.strip(), re.S), name
    if inspect.isclass(value):
        for key, member in vars(value).items():
            if not key.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert inspect.getdoc(getattr(value, key)), f"{name}.{key}"


@pytest.mark.parametrize("name", [n for n in lrp.rules.RULES if n not in ("Product", "Recurrent")])
def test_every_rule_prints_its_formula_and_its_parameters(name: str) -> None:
    rule = lrp.rules.RULES[name](0, 1) if name == "ZBox" else lrp.rules.RULES[name]()
    assert rule.formula().startswith("R_i = ")
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        assert not field.repr or value is None or f"{field.name}=" in repr(rule)


def python_blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.S)


GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
BLOCKS = [(p, k, code) for p in GUIDES for k, code in enumerate(python_blocks(p))]


@pytest.mark.parametrize(("path", "number", "code"), BLOCKS, ids=[f"{p.name}-{k}" for p, k, _ in BLOCKS])
def test_the_examples_of_the_guides_run(
    path: Path, number: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block runs by itself; a comment `# → text` after a line shows what the line's value prints."""
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    scope: dict[str, Any] = {"np": np, "lrp": lrp}
    with np.printoptions(precision=4, suppress=True):
        for statement, shown in statements(code):
            if shown is None:
                exec(compile(statement, str(path), "exec"), scope)  # noqa: S102 - our own README
            else:
                assert str(eval(statement, scope)) == shown  # noqa: S307 - our own README


def statements(code: str) -> list[tuple[str, str | None]]:
    """Split a block into statements and expressions whose value is shown behind `# →`."""
    found: list[tuple[str, str | None]] = []
    plain: list[str] = []
    for line in code.splitlines():
        if "# → " in line:
            expression, shown = line.split("# → ")
            found += [("\n".join(plain), None), (expression.strip(), shown.strip())]
            plain = []
        else:
            plain.append(line)
    return [*found, ("\n".join(plain), None)]


def test_every_path_that_the_readme_names_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", (ROOT / "README.md").read_text()):
        path = next(t for t in target if t)
        assert path.startswith("http") or (ROOT / path).exists(), path
