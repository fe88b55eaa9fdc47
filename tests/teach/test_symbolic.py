"""The formulas against the numbers: other rationals of the same region, inserted, must give lrp.explain's exactly."""

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from formulas_page import PAGE, network, page

import lrp_ref as lrp
from lrp_ref import layers as L  # noqa: N812
from lrp_ref import literal
from lrp_ref import rules as R  # noqa: N812
from lrp_ref.arithmetic import Symbol, rational, symbols, to_float
from lrp_ref.arithmetic.symbols import Asked
from lrp_ref.errors import MissingExtraError, ParameterError, ShapeError, UndecidedError, UnsupportedError

sympy = pytest.importorskip("sympy")
F = Fraction

# Symbols -----------------------------------------------------------------------------------------------------------


def test_operators_act_on_expression_and_witness_alike() -> None:
    a, b = symbols("a", (), at=F(3, 2)).item(), symbols("b", (), at=-2).item()
    s, t = sympy.symbols("a b")
    for made, expr, value in (
        (a + b, s + t, F(-1, 2)), (a - b, s - t, F(7, 2)), (a * b, s * t, -3), (a / b, s / t, F(-3, 4)),
        (-a, -s, F(-3, 2)), (abs(b), -t, 2), (a**2, s**2, F(9, 4)), (1 - a, 1 - s, F(-1, 2)),
        (F(1, 2) / b, sympy.Rational(1, 2) / t, F(-1, 4)), (2 * a, 2 * s, 3), (0.5 + a, s + sympy.Rational(1, 2), 2),
    ):  # fmt: skip
        assert sympy.simplify(made.expr - expr) == 0
        assert made.value == value
        assert float(made) == float(value)


def test_comparisons_are_those_of_the_witness_and_are_recorded() -> None:
    asked = Asked()
    x, y = (Symbol(sympy.Symbol(n), F(v), asked) for n, v in (("x", 1), ("y", -1)))
    assert x > y
    assert y < 0
    assert x != 0
    assert x >= 1
    assert np.maximum(np.array([x], object), np.array([y], object))[0] is x
    assert asked.signs[x.expr] == 1
    assert asked.signs[y.expr] == -1
    assert y.expr in asked.ordered
    assert x.expr not in asked.ordered  # only whether it is 0 was asked


def test_without_a_witness_only_what_sympy_knows_is_decided() -> None:
    free = symbols("x", 1)[0]
    for question in (lambda: free > 0, lambda: free == 1, lambda: bool(free), lambda: float(free)):
        with pytest.raises(UndecidedError, match="x_1"):
            question()
    assert free == free + 0
    positive = Symbol(sympy.Symbol("p", positive=True))
    assert positive > 0
    assert positive + 1 != 0


def test_symbols_are_named_from_one_and_refuse_what_does_not_fit() -> None:
    assert [str(s) for s in symbols("w", (2, 2)).flat] == ["w_11", "w_12", "w_21", "w_22"]
    assert str(symbols("w", (1, 12))[0, 11]) == "w_1,12"
    assert to_float(symbols("x", 2, at=[0.5, 2])).tolist() == [0.5, 2.0]
    with pytest.raises(ShapeError, match="'w' of shape"):
        symbols("w", 2, at=[1, 2, 3])
    with pytest.raises(ParameterError, match="no finite number"):
        symbols("w", 1, at=[float("nan")])


# Formulas against numbers ------------------------------------------------------------------------------------------


def parts(rng: np.random.Generator, *shape: int) -> Any:
    """Return 256ths of either sign, so fine that no sum of them is 0 by chance."""
    return rng.choice([-1.0, 1.0], shape) * rng.integers(50, 257, shape) / 256


def chain(*made: Any) -> lrp.Network:
    return lrp.Network.sequential(made)


def two_two_one(rng: np.random.Generator) -> Any:
    net = chain(L.Dense(parts(rng, 2, 2), parts(rng, 2)), L.ReLU(), L.Dense(parts(rng, 2, 1), parts(rng, 1)))
    return net, parts(rng, 1, 2)


def convolution(rng: np.random.Generator) -> Any:
    conv = L.Conv(parts(rng, 2, 1, 2, 2), np.array([2.0, 0.25]), padding=1)
    net = chain(conv, L.ReLU(), L.MaxPool(2, stride=1), L.Flatten(), L.Dense(parts(rng, 4, 2), parts(rng, 2)))
    return net, parts(rng, 1, 1, 2, 1)


def pools(rng: np.random.Generator) -> Any:
    conv = L.Conv(parts(rng, 2, 1, 2), np.array([1.5, 0.25]), stride=1)
    average = (L.MaxPool(2, padding=1, stride=1), L.AveragePool(2), L.Flatten())
    x = parts(rng, 1, 1, 4)
    return chain(conv, L.LeakyReLU(0.25), *average, L.Dense(parts(rng, 4, 2), parts(rng, 2))), x


def residual(rng: np.random.Generator) -> Any:
    nodes = (
        ("d1", L.Dense(parts(rng, 2, 2), np.array([1.5, 1.5])), ("input",)),
        ("r", L.ReLU(), ("d1",)),
        ("d2", L.Dense(parts(rng, 2, 2), parts(rng, 2)), ("r",)),
        ("add", L.Add(), ("d2", "r")),
        ("twice", L.Add(), ("add", "add")),
        ("d3", L.Dense(parts(rng, 2, 1), parts(rng, 1)), ("twice",)),
    )
    made = tuple(lrp.Node(*n) for n in nodes)
    return lrp.Network(made, (lrp.Input("input", (None, 2)),), ("d3",)), parts(rng, 1, 2)


NETS: dict[str, Callable[[np.random.Generator], Any]] = {
    "2-2-1": two_two_one, "conv": convolution, "pools": pools, "residual": residual,
}  # fmt: skip
COMPOSITES: dict[str, Any] = {
    "epsilon": R.Epsilon(0.25),
    "epsilon, shares": R.Epsilon(0.25, bias_share=0.5, stabiliser_share=1),
    "lrp0": R.LRP0(),
    "lrp0, clip": R.LRP0(lrp.edits.clip(0.5)),
    "gamma": R.Gamma(0.25),
    "generalised gamma": R.GeneralizedGamma(0.5),
    "alpha2 beta1": R.AlphaBeta(2, 1),
    "alpha1 beta0": R.AlphaBeta(1, 0),
    "z+": R.ZPlus(),
    "w2": R.WSquare(),
    "flat": R.Flat(),
    "zbox": R.ZBox(-1, 1),
    "reference": R.Reference(0.5),
    "mixed": lrp.Composite(
        [
            (lrp.first(L.Dense, L.Conv), R.ZBox(np.array([-1.0]), np.array([1.5]))),
            ((L.Dense, L.Conv), R.ZPlus(lrp.edits.add(0.125))),
        ]
    ),
    "guided": "guided_backprop",
}


def elsewhere(rng: np.random.Generator, net: Any, x: Any) -> Any:
    """Return the network and the input with every number stretched by its own random factor near 1."""

    def stretch(array: Any) -> Any:
        factors = [F(int(k), 1000) for k in rng.integers(995, 1006, array.size)]
        return (rational(array).ravel() * np.array(factors, object)).reshape(array.shape)

    return net.map_arrays(stretch), stretch(x)


def exactly(net: Any, x: Any, composite: Any, target: int) -> Any:
    return lrp.explain(rational(net), rational(x), composite=composite, target=target).relevance


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize("name", NETS)
def test_formulas_with_other_numbers_of_the_region_give_the_exact_relevance(name: str, composite: str) -> None:
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(3 if name in ("2-2-1", "residual") else 1):
        net, x = NETS[name](rng)
        formulas = lrp.symbolic(net, x, composite=COMPOSITES[composite])
        assert formulas.residual == 0
        assert all(step.residual == 0 for step in formulas.steps)
        for other, other_x in ((net, x), *(elsewhere(rng, net, x) for _ in range(3))):
            try:
                found = formulas.evaluate(other, other_x)
            except ParameterError:
                continue  # another region; that this is not always so, the count below shows
            expected = exactly(other, other_x, COMPOSITES[composite], formulas.target)
            assert (found == expected).all()
            seen += bool((expected != 0).any())
    assert seen >= 2


@pytest.mark.parametrize("name", ["epsilon", "gamma", "z+", "alpha2 beta1"])
def test_closed_forms_give_what_the_textbook_gives(name: str) -> None:
    """By the names that are printed, without ``evaluate``; and the textbook, without any of the fast code."""
    net, x = network()
    formulas = lrp.symbolic(net, x, composite=COMPOSITES[name])
    rng = np.random.default_rng(1)
    other, other_x = elsewhere(rng, net, x)
    first, second = other.nodes[0].layer, other.nodes[2].layer
    named = {f"x_{i + 1}^(input)": other_x[0, i] for i in range(2)}
    for node, layer in (("dense1", first), ("dense2", second)):
        named |= {f"w_{i + 1}{j + 1}^({node})": layer.weight[i, j] for i, j in np.ndindex(layer.weight.shape)}
        named |= {f"b_{j + 1}^({node})": b for j, b in enumerate(layer.bias)}
    named |= {"ε": F(1, 4), "γ": F(1, 4), "α": F(2), "β": F(1)}
    at = {sympy.Symbol(k): sympy.Rational(v.numerator, v.denominator) for k, v in named.items()}
    found = [e.subs(at) for e in formulas.relevance[0]]

    book: dict[str, Callable[..., literal.Messages]] = {
        "epsilon": lambda a, m, r: literal.rules.epsilon(a, m, r, F(1, 4)),
        "gamma": lambda a, m, r: literal.rules.gamma(a, m, r, F(1, 4)),
        "z+": literal.rules.zplus,
        "alpha2 beta1": lambda a, m, r: literal.rules.alpha_beta(a, m, r, F(2), F(1)),
    }
    one, two = (literal.matrices.dense(layer.weight, layer.bias) for layer in (first, second))
    a = np.array([max(z, F(0)) for z in one.forward(other_x[0])], object)
    above = book[name](a, two, two.forward(a)).relevance
    below = book[name](other_x[0], one, above).relevance
    assert [F(int(v.p), int(v.q)) for v in found] == below.tolist()


def test_an_output_without_any_active_unit_has_relevance_0() -> None:
    net = chain(L.Dense(np.array([[-1.0]])), L.ReLU())
    formulas = lrp.symbolic(net)
    assert "R_1^(relu1) = 0" in formulas.text
    assert "R_1^(input) = 0" in formulas.text
    assert formulas.residual == 0


def test_an_inactive_unit_and_a_negative_weight_change_the_formulas_and_the_region() -> None:
    net, x = network()
    formulas = lrp.symbolic(net, -x, composite=R.ZPlus())
    assert "relu1 (ReLU), for z_1 < 0, z_2 < 0" in formulas.text
    with pytest.raises(ParameterError, match=r"node 'relu1': the formulas hold for z_1\^\(dense1\) < 0"):
        formulas.evaluate(net, x)


def test_target_chooses_the_output_and_rules_of_other_strength_get_letters_of_their_own() -> None:
    rng = np.random.default_rng(3)
    net = chain(L.Dense(parts(rng, 2, 2), np.array([2.0, 2.0])), L.ReLU(), L.Dense(parts(rng, 2, 2)))
    composite = lrp.Composite([("dense1", R.Epsilon(0.5)), ("dense2", R.Epsilon(0.25))])
    x = parts(rng, 1, 2)
    for target in (0, 1):
        formulas = lrp.symbolic(net, x, composite=composite, target=target)
        assert formulas.start[0].symbol.name == f"R_{target + 1}^(dense2)"
        assert (formulas.evaluate(net, x) == exactly(net, x, composite, target)).all()
    assert {s for s in formulas.letters if s.name.startswith("ε")} == {sympy.Symbol("ε"), sympy.Symbol("ε^(dense1)")}


# Planted faults ----------------------------------------------------------------------------------------------------


def test_a_column_of_the_ledger_that_is_lost_is_seen_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrp_ref.fast import quotient

    monkeypatch.setattr(quotient, "sample_dot", lambda a, b: 0 * a.reshape(len(a), -1).sum(axis=1))
    net, x = network()
    formulas = lrp.symbolic(net, x, composite=R.Epsilon(0.1))
    epsilon, z, r = sympy.symbols("ε z_1^(dense2) R_1^(dense2)")
    assert formulas.residual != 0
    shown = formulas.steps[-1].residual
    one = {s: sympy.Rational(1 + k, 3) for k, s in enumerate(sorted(shown.free_symbols, key=str))}
    meant = (epsilon / (z + epsilon) * r).subs({z: formulas.steps[-1].forward[0].expr})
    assert (shown - meant).subs(one) == 0
    assert "ε/(" in formulas.text.split("conservation")[1].split("\n\n")[0]


def test_a_wrong_transpose_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(L.Dense, "pull", lambda self, xs, g: (2 * (g @ self.weight.T),))
    net, x = network()
    assert lrp.symbolic(net, x, composite=R.LRP0()).residual != 0


# The page and the refusals -----------------------------------------------------------------------------------------


def test_the_page_is_what_is_printed() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/support/formulas_page.py"


def test_text_and_latex_name_the_formula_of_each_input() -> None:
    net, x = network()
    formulas = lrp.symbolic(net, x, composite=R.Epsilon(0.1))
    line = "R_1^(input) = x_1·w_11/(z_1 + ε)·R_1^(dense1) + x_1·w_12/(z_2 + ε)·R_2^(dense1)"
    assert line in str(formulas)
    assert r"\frac{x_{1} \, w_{11}}{z_{1} + \varepsilon} \, R_{1}^{(\mathrm{dense1})}" in formulas.latex
    assert formulas._repr_latex_().count("$$") == 2 * formulas.latex.count(r"\begin{aligned}")
    assert formulas._repr_html_().startswith("<pre>Relevance of output 1")
    shown = lrp.symbolic(net, x, composite=R.Gamma(0.25), numbers=True)
    # 1·1·1.25/(45/16)·(105/52) + 1·(−1/2)/(21/8)·(−28/39) by hand.
    assert "= 1·1·(1 + 1/4)/(45/16)·(105/52) + 1·(−1/2)/(21/8)·(−28/39) = 121/117" in shown.text


def test_what_cannot_be_written_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network()
    with pytest.raises(ShapeError, match="2 samples"):
        lrp.symbolic(net, np.ones((2, 2)))
    with pytest.raises(ShapeError, match="1024 parameters"):
        lrp.symbolic(chain(L.Dense(np.ones((32, 32)))))
    with pytest.raises(ShapeError, match="110 units"):
        lrp.symbolic(chain(L.Dense(np.ones((10, 50))), L.ReLU()))
    with pytest.raises(ShapeError, match="the size of input 'input' is not fixed: give an INPUT"):
        lrp.symbolic(chain(L.ReLU(), L.Softmax()))
    assert lrp.symbolic(chain(L.ReLU(), L.Dense(np.ones((2, 2))))).residual == 0, "a ReLU keeps the size"
    with pytest.raises(UnsupportedError, match="node 'tanh1'"):
        lrp.symbolic(chain(L.Dense(np.ones((2, 2))), L.Tanh()))
    wide = chain(L.Dense(np.ones((3, 2))), L.ReLU(), L.Dense(np.ones((2, 1))))
    formulas = lrp.symbolic(net, x)
    with pytest.raises(ShapeError, match="another shape"):
        formulas.evaluate(wide, np.ones((1, 3)))
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(MissingExtraError, match=r"lrp-ref\[symbols\]"):
        lrp.symbolic(net, x)


def test_the_command_prints_text_latex_and_markdown(tmp_path: Any) -> None:
    from click.testing import CliRunner

    from lrp_ref.cli import main

    net, x = network()
    lrp.save(net, tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", x)
    formulas = lrp.symbolic(net, x, composite=lrp.composites.get("epsilon", epsilon=0.5))
    command = ["formula", str(tmp_path / "net.npz"), str(tmp_path / "x.npy"), "-c", "epsilon", "--epsilon", "0.5"]
    for option, expected in ((), formulas.text), (("--latex",), formulas.latex), (("--markdown",), formulas.markdown):
        done = CliRunner().invoke(main, [*command, *option])
        assert done.exit_code == 0
        assert done.output.strip() == expected.strip()
    np.save(tmp_path / "two.npy", np.ones((2, 2)))
    assert CliRunner().invoke(main, [*command[:2], str(tmp_path / "two.npy")]).exit_code == 2
