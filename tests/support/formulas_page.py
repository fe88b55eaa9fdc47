"""Writes docs/formulas.md: ``python tests/support/formulas_page.py``; tests/teach/test_symbolic.py compares them."""

from pathlib import Path

import numpy as np

import lrp_ref as lrp

PAGE = Path(__file__).parents[2] / "docs" / "formulas.md"
RULES = {
    "ε": lrp.rules.Epsilon(0.1),
    "γ": lrp.rules.Gamma(0.25),
    "z⁺": lrp.rules.ZPlus(),
}
HEAD = """# Relevances as formulas

`lrp.symbolic(net, x, composite=…)` runs the layers and rules on symbols instead of numbers and prints what comes out:
each relevance of a small network as a formula, node by node, and the conservation identity of each node, simplified
to 0 = 0. The same from the command line: `lrp-ref formula MODEL [INPUT] [--latex | --markdown] [--numbers]`.

The formulas hold for a region: which weights are positive and which units are active is decided by the network's own
numbers and the input, and every step says which comparisons were made. Here it is a network of two inputs, two ReLU
units and one output:

```python
import numpy as np
import lrp_ref as lrp

dense1 = lrp.layers.Dense(np.array([[1.0, -0.5], [0.5, 1.0]]), np.array([0.25, 0.5]))
dense2 = lrp.layers.Dense(np.array([[1.0], [-0.5]]), np.array([0.5]))
net = lrp.Network.sequential([dense1, lrp.layers.ReLU(), dense2])
x = np.array([[1.0, 2.0]])
print(lrp.symbolic(net, x, composite=lrp.rules.Epsilon(0.1)))
```

`formulas.evaluate(net, x)` gives the relevances for other weights and inputs of the same region, `formulas.relevance`
the closed forms in x, w, b and ε as SymPy expressions, `numbers=True` shows the numbers inserted. This page is what
these calls print.
"""


def network() -> tuple[lrp.Network, np.ndarray]:
    """Return the 2-2-1 network of the page and its input."""
    first = lrp.layers.Dense(np.array([[1.0, -0.5], [0.5, 1.0]]), np.array([0.25, 0.5]))
    second = lrp.layers.Dense(np.array([[1.0], [-0.5]]), np.array([0.5]))
    return lrp.Network.sequential([first, lrp.layers.ReLU(), second]), np.array([[1.0, 2.0]])


def page() -> str:
    """Return the page."""
    net, x = network()
    parts = [HEAD]
    for name, rule in RULES.items():
        formulas = lrp.symbolic(net, x, composite=rule)
        parts.append(f"## {name}: `{rule!r}`\n\n```text\n{formulas.text}```\n")
        parts.append(f"<details><summary>The same, typeset</summary>\n\n{formulas.markdown}\n</details>\n")
    shown = lrp.symbolic(net, x, composite=RULES["ε"], numbers=True)
    parts.append(f"## ε with the numbers inserted\n\n```text\n{shown.text}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
