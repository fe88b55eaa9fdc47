"""Writes docs/dialects.md: ``python tests/support/dialects_page.py``; tests/core/dialects compares them."""

from pathlib import Path

from lrp_ref.dialects import DIALECTS, SWITCHES

PAGE = Path(__file__).parents[2] / "docs" / "dialects.md"
HEAD = """# Dialects: other programs' numbers, on purpose

The same rule name stands for different formulas in different programs. Each difference has a name here, a *switch*; a
*dialect* is a set of switches that gives one program's numbers. It is never the default, and it shows in everything
that is printed and saved:

```python
import numpy as np

import lrp_ref as lrp

net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0], [-0.25]]), np.array([0.5]))])
x = np.array([[1.0, 2.0]])
gamma = lrp.rules.Gamma(0.25)
print(lrp.explain(net, x, composite=gamma).relevance.round(3).tolist())  # → [[0.909, -0.364]]
e = lrp.explain(net, x, composite=gamma, dialect="captum-0.9")
print(e.relevance.round(3).tolist())  # → [[1.0, -0.4]]
print(e.composite)  # → Gamma(gamma=0.25, stabiliser=exact) as captum-0.9
```

Any switches can be tried: `dialect="gamma-bias"`, `dialect="gamma-bias+maxpool-zero"`, or
`lrp.dialects.Dialect.of("gamma-bias")`. On the command line it is `lrp-ref explain … --dialect captum-0.9`. Which
switch explains a difference that you have, [crosscheck.md](crosscheck.md) finds out; [peers.md](peers.md) shows that
236 stored relevances of five programs are reached, [board.md](board.md) how programs answer the vectors.

A convention that a paper leaves open is no mistake. Where a statement names what is published, it is what the paper
has that the rule is called after.
"""


def page() -> str:
    """Return the page."""
    sets = [
        (f"`{d.name}`", ", ".join(f"`{s}`" for s in d.switches) or "none", _epsilons(d), d.statement)
        for d in DIALECTS.values()
    ]
    programs = [(f"`{s.id}`", s.statement, s.who) for s in SWITCHES.values() if not s.is_fault]
    faults = [(f"`{s.id}`", s.statement) for s in SWITCHES.values() if s.is_fault]
    return "\n".join(
        [
            HEAD,
            "## Dialects\n",
            _table(("dialect", "switches", "ε", "besides"), sets),
            "\n## Switches: what programs compute\n",
            _table(("switch", "what is computed, and what is published", "who"), programs),
            "\n## Switches: mistakes that any program may have\n",
            _table(("switch", "what is computed"), faults),
            "",
        ]
    )


def _epsilons(d: object) -> str:
    epsilon, pool = getattr(d, "epsilon", None), getattr(d, "pool", None)
    parts = [] if epsilon is None else [f"{epsilon:g} in exact denominators"]
    return ", ".join([*parts, *([] if pool is None else [f"{pool:g} in pools and sums"])])


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *(tuple(c.replace("|", "\\|") for c in row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
