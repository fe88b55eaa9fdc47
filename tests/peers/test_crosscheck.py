"""Two programs side by side: which node departs first, by how much, and what is said where something is missing."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fake_peers
import numpy as np
import pytest
from fake_peers import chain, numpy_program

import lrp_ref as lrp
from lrp_ref.errors import ParameterError
from lrp_ref.layers import Dense
from lrp_ref.peers import NoRule, Recording, Task
from lrp_ref.propagation.differences import in_ulps
from lrp_ref.rules import ZPlus

ZPLUS = [(Dense, ZPlus())]
X = np.random.default_rng(1).normal(size=(3, 4))


def check(monkeypatch: Any, function: Any, net: lrp.Network | None = None, x: Any = X, **more: Any) -> Any:
    fake_peers.add(monkeypatch, function)
    return lrp.crosscheck(chain() if net is None else net, x, peer="fake", **more)


def test_a_program_with_the_same_formulas_agrees(monkeypatch: Any) -> None:
    c = check(monkeypatch, numpy_program, composite="epsilon", target=1)
    assert c.equal
    assert (c.first, c.reason, c.diagnosis) == ("", "", None)
    assert [row.node for row in c.rows] == ["fc2", "relu1", "fc1", "relu0", "fc0", "input"]
    assert all(row.relative < 1e-14 and row.value is not None and not row.notes for row in c.rows)
    assert repr(c).startswith("Fake 1.0 agrees with lrp_ref in the relevance of 6 values: largest relative difference")
    assert c.cells(everything=False) == []


def test_agreement_on_nothing_is_said(monkeypatch: Any) -> None:
    told = "the start relevance is 0 everywhere, so that agreement says nothing"
    assert told in check(monkeypatch, numpy_program, start=0 * chain().forward(X)).remarks
    assert told in check(monkeypatch, numpy_program, x=X[:0]).remarks
    assert told not in check(monkeypatch, numpy_program).remarks


def test_the_difference_is_that_of_the_formulas(monkeypatch: Any) -> None:
    """a = (1, 2), w = (1, −¼), b = ½: z⁺ without the bias gives (1, 0), with b⁺ in the denominator (⅔, 0)."""
    net = lrp.Network.sequential([("fc", Dense(np.array([[1.0], [-0.25]]), np.array([0.5])))])
    x = np.array([[1.0, 2.0]])
    c = check(monkeypatch, partial(numpy_program, bias_in_zplus=["fc"]), net, x, composite=ZPLUS, start=np.ones((1, 1)))
    assert c.explanation.relevance.tolist() == [[1.0, 0.0]]
    assert c.recording.trace.relevance["input"].tolist() == [[float(Fraction(2, 3)), 0.0]]
    row = c.rows[-1]
    assert (row.node, row.departs, c.first, c.equal) == ("input", True, "fc", False)
    assert row.relative == pytest.approx(1 / 3, rel=1e-15)
    assert row.ulps == pytest.approx(float(Fraction(1, 3) * 2**52), rel=1e-15)  # of 1, the next number is 1 + 2⁻⁵²
    assert c.verdict == (
        "Fake 1.0 departs from lrp_ref at node 'fc': the relevance that it hands back to 'input' differs (relative "
        "0.33, 1.501e+15 ulp)"
    )


@pytest.mark.parametrize("node", ["fc0", "fc1", "fc2"])
def test_the_first_departing_node_is_the_one_with_the_other_rule(node: str, monkeypatch: Any) -> None:
    c = check(monkeypatch, partial(numpy_program, bias_in_zplus=[node]), composite=ZPLUS)
    below = {"fc2": "relu1", "fc1": "relu0", "fc0": "input"}[node]
    assert c.first == node
    assert c.found.first.name == below
    assert next(row.own for row in c.rows if row.node == node) == "zplus-bias"
    assert next(row for row in c.rows if row.departs).node == below
    assert "own step departs: zplus-bias" in next(row for row in c.rows if row.node == node).cells()[-1]


def test_ulps_count_numbers_of_the_dtype() -> None:
    """Between 1 and 2 neighbours are 2⁻⁵² apart, in float32 2⁻²³, in float16 2⁻¹⁰; between 4 and 8 four times that."""
    for dtype, digits in (("float64", 52), ("float32", 23), ("float16", 10)):
        one, five = np.array([1.0, -0.25], dtype=dtype), np.array([0.5, -5.0], dtype=dtype)
        assert in_ulps(3 * 2.0**-digits, one, dtype) == 3
        assert in_ulps(3 * 2.0**-digits, five, dtype) == 0.75
        following = np.nextafter(five[1:], np.array([-9], dtype=dtype)).astype(float) - five[1:].astype(float)
        assert in_ulps(float(abs(following[0])), five, dtype) == 1
    assert in_ulps(0.0, np.zeros(2), "float64") == 0
    assert in_ulps(1e-300, np.zeros(2), "float64") == np.inf


def test_float32_is_counted_in_float32(monkeypatch: Any) -> None:
    c = check(monkeypatch, numpy_program, chain(dtype="float32"), X.astype("float32"), composite="epsilon")
    assert c.equal
    assert {row.relevance.dtype for row in c.rows} == {"float32"}
    assert c.explanation.relevance.dtype == np.float32
    most = max(row.ulps for row in c.rows)
    assert most == max(row.relevance.ulps for row in c.rows) < 100


def test_a_layer_without_a_rule_is_named_and_the_rest_compared(monkeypatch: Any) -> None:
    c = check(monkeypatch, partial(numpy_program, without="fc1"), composite="epsilon")
    assert c.equal
    told = {row.node: row.notes for row in c.rows}
    assert told["fc1"] == ("left out: no rule for Dense",)
    assert told["relu0"] == told["fc0"] == told["input"] == ("not compared",)
    assert told["fc2"] == told["relu1"] == ()
    assert c.remarks[:2] == (
        "Fake 1.0 has no rule for 'fc1': no rule for Dense",
        "not compared, as Fake 1.0 shows no relevance there: relu0, fc0, input",
    )
    assert repr(c).startswith("Fake 1.0 agrees with lrp_ref in the relevance of 3 of 6 values: ")
    assert repr(c).endswith("left out: fc1")


def test_of_several_outputs_of_a_node_the_worst_is_told(monkeypatch: Any) -> None:
    nodes = (
        lrp.Node("cut", lrp.layers.Split((1, 3), axis=1), ("x",)),
        lrp.Node("fc", Dense(np.ones((3, 2))), ("cut:1",)),
        lrp.Node("out", lrp.layers.Sum(axes=(1,), keepdims=True), ("fc",)),
    )
    net = lrp.Network(nodes, (lrp.Input("x"),), ("out",))

    def record(task: Task, folder: Path | None = None) -> Recording:
        e = lrp.explain(task.network, dict(task.inputs), start=task.start, composite="epsilon", trace=True)
        relevance = {name: a + 1 if name == "cut:1" else a for name, a in e.trace.relevance.items()}
        return Recording(lrp.Trace(e.trace.values, relevance), "Fake", "1.0")

    c = check(monkeypatch, record, net, X, composite="epsilon")
    assert (c.equal, c.first) == (False, "fc")
    row = next(row for row in c.rows if row.node == "cut")
    assert row.departs
    assert row.relevance.name == "cut:1"


def test_nothing_below_the_output_is_no_agreement(monkeypatch: Any) -> None:
    with pytest.raises(NoRule, match=r"Fake 1\.0 shows no relevance: node 'fc2': no rule for Dense"):
        check(monkeypatch, partial(numpy_program, without="fc2"), composite="epsilon")


def changed(task: Task, folder: Path | None = None, *, change: Any) -> Recording:
    """Run the program and change its relevances."""
    done = numpy_program(task, folder)
    relevance = {name: change(name, array) for name, array in done.trace.relevance.items()}
    return Recording(lrp.Trace(done.trace.values, relevance), done.program, done.version)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_depart_and_are_told(wrong: float, monkeypatch: Any) -> None:
    def change(name: str, array: Any) -> Any:
        return np.where(np.arange(array.shape[1]) == 1, wrong, array) if name == "input" else array

    c = check(monkeypatch, partial(changed, change=change), composite="epsilon")
    assert (c.equal, c.first) == (False, "fc0")
    assert "not finite" in c.verdict
    assert "not finite at 1 of 4" in c._repr_html_()
    assert "inf" in json.loads(saved(c, "c.json"))["rows"][-1]["relevance"]["relative"]


def saved(c: Any, name: str) -> str:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return Path(c.save(Path(folder) / name)).read_text(encoding="utf-8")


def test_an_array_of_another_shape_departs(monkeypatch: Any) -> None:
    c = check(monkeypatch, partial(changed, change=lambda n, a: a[:, :2] if n == "input" else a), composite="epsilon")
    assert (c.equal, c.first) == (False, "fc0")
    assert "shapes (3, 4) and (3, 2)" in c.verdict
    assert "shapes (3, 4) and (3, 2)" in c._repr_html_()


def test_the_program_gets_the_network_as_it_is_explained(monkeypatch: Any) -> None:
    """BatchNorm is merged, a final softmax left out; the start is that of the explanation, the rules are the plan's."""
    seen: list[Task] = []

    def record(task: Task, folder: Path | None = None) -> Recording:
        seen.append(task)
        return numpy_program(task, folder)

    rng = np.random.default_rng(3)
    net = lrp.Network.sequential(
        [
            ("fc", Dense(rng.normal(size=(4, 3)))), ("bn", lrp.layers.Affine(np.array([2.0, 0.5, -1.0]), np.ones(3))),
            ("relu", lrp.layers.ReLU()), ("out", Dense(rng.normal(size=(3, 2)))), ("p", lrp.layers.Softmax()),
        ]
    )  # fmt: skip
    c = check(monkeypatch, record, net, X, composite="epsilon", target=1, epsilon=0.25)
    (task,) = seen
    assert [node.name for node in task.network.nodes] == ["fc", "relu", "out"]
    assert task.start.tolist() == (c.explanation.output * [0.0, 1.0]).tolist()
    assert task.rules["fc"] == lrp.rules.Epsilon(0.25)
    assert task.rules["relu"] is None
    assert c.equal
    assert not task.functional_add


@pytest.mark.parametrize("inside", [True, False])
def test_in_the_dialect_of_a_program_its_numbers_are_computed_here(inside: bool, monkeypatch: Any) -> None:
    """The program is asked for the published rule all the same, and gives b⁺ in the denominators of all layers."""
    everywhere = partial(numpy_program, bias_in_zplus=["fc0", "fc1", "fc2"])
    assert not check(monkeypatch, everywhere, composite=ZPLUS).equal
    dialect = {"composite": lrp.Composite(ZPLUS, dialect="zplus-bias")} if inside else {"dialect": "zplus-bias"}
    c = check(monkeypatch, everywhere, **{"composite": ZPLUS} | dialect)
    assert c.equal
    assert c.task.rules == {node: ZPlus() if node.startswith("fc") else None for node in c.task.rules}
    assert "AlphaBeta(alpha=1, beta=0" in c.rows[0].rule
    assert "zplus-bias" in c._repr_html_()
    assert not check(monkeypatch, numpy_program, **{"composite": ZPLUS} | dialect).equal
    with pytest.raises(ParameterError, match=r"did you mean 'zennit-1\.0'"):
        check(monkeypatch, numpy_program, composite=ZPLUS, dialect="zenit-1.0")


def test_a_bare_plus_is_shown_where_rules_hang_on_modules_only(monkeypatch: Any) -> None:
    with pytest.raises(ParameterError, match=r"programs that hang rules on modules, captum and zennit; not in Fake"):
        check(monkeypatch, numpy_program, composite="epsilon", functional_add=True)


def test_other_outputs_and_starts(monkeypatch: Any) -> None:
    net = chain().until(["fc1", "fc2"])
    start = np.random.default_rng(0).normal(size=(3, 3))
    c = check(monkeypatch, numpy_program, net, X, composite="epsilon", output="fc2", start=start)
    assert c.task.start.tolist() == start.tolist()
    assert c.equal
    assert check(monkeypatch, numpy_program, net, X, composite="epsilon", output="fc1").rows[0].node == "fc1"
    assert check(monkeypatch, numpy_program, composite="epsilon", start="difference", target=0, against=2).equal


def test_nothing_that_was_given_is_changed(monkeypatch: Any) -> None:
    net, x = chain(), X.copy()
    before = [p.tobytes() for p in net.parameters]
    check(monkeypatch, partial(numpy_program, bias_in_zplus=["fc1"]), net, x, composite=ZPLUS)._repr_html_()
    assert [p.tobytes() for p in net.parameters] == before
    assert x.tobytes() == X.tobytes()


def test_exact_numbers_are_refused(monkeypatch: Any) -> None:
    net, x = lrp.arithmetic.rational(chain()), lrp.arithmetic.rational(X)
    with pytest.raises(ParameterError, match=r"lrp\.arithmetic\.to_float\(net\) with to_float\(x\) can be"):
        check(monkeypatch, numpy_program, net, x, composite="epsilon")
    floats = lrp.arithmetic.to_float(net), lrp.arithmetic.to_float(x)
    assert check(monkeypatch, numpy_program, *floats, composite="epsilon").equal


# The page ---------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Checks that tags are closed in their order, and keeps what is loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for key, value in attrs if key in ("src", "href", "data", "srcset")]
        if tag not in ("meta", "img", "hr", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def picture_program(task: Task, folder: Path | None = None) -> Recording:
    """Give other numbers than this package below the first node with z⁺."""
    rules = [(node, rule) for node, rule in task.rules.items() if rule is not None]
    rules = [(node, lrp.rules.AlphaBeta(1, 0) if isinstance(rule, ZPlus) else rule) for node, rule in rules]
    e = lrp.explain(task.network, dict(task.inputs), start=task.start, composite=rules, canonize=False, trace=True)
    return Recording(e.trace, "Fake <&>", "1.0", notes=("a note with <tags>",))


def images(monkeypatch: Any, shape: tuple[int, ...] = (2, 1, 6, 6)) -> Any:
    rng = np.random.default_rng(0)
    net = lrp.Network.sequential(
        [
            ("<b>", lrp.layers.Conv(rng.normal(size=(2, shape[1], 3, 3)), np.array([0.5, 0.25]))),
            ("relu", lrp.layers.ReLU()), ("flat", lrp.layers.Flatten()), ("out", Dense(rng.normal(size=(32, 2)))),
        ]
    )  # fmt: skip
    rules = [(lrp.layers.Conv, ZPlus()), (Dense, lrp.rules.Epsilon(0.1))]
    return check(monkeypatch, picture_program, net, rng.uniform(size=shape), composite=rules)


def test_a_page_is_whole_and_loads_nothing(monkeypatch: Any, tmp_path: Path) -> None:
    c = images(monkeypatch)
    assert c.first == "<b>"
    text = c.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert len(page.loaded) == 4  # two samples: input and both maps, and the difference
    assert all(uri.startswith("data:image/png;base64,") for uri in page.loaded)
    assert "http" not in text
    words = " ".join(page.words)
    for told in (c.verdict, "a note with <tags>", "'<b>'", c.reproduce, "ZPlus(stabiliser=exact)", "NumPy"):
        assert told in words
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_the_pictures_are_the_relevances(monkeypatch: Any) -> None:
    """The difference is blue where the other program gives less; both maps are on one scale."""
    import base64
    import io

    from PIL import Image

    c = images(monkeypatch, (1, 1, 6, 6))
    ours, theirs = c.explanation.relevance[0, 0], c.recording.trace.relevance["input"][0, 0]
    both, off = (
        Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in Page(c._repr_html_()).loaded
    )
    assert both.info["relevance_limits"] == str(((float(max(abs(ours).max(), abs(theirs).max())),) * 2,))
    assert float(off.info["relevance_limit"]) == abs(theirs - ours).max()


def test_numbers_have_bars(monkeypatch: Any) -> None:
    c = check(monkeypatch, partial(numpy_program, bias_in_zplus=["fc0"]), composite=ZPLUS)
    text = c._repr_html_()
    page = Page(text)
    assert page.loaded == []
    assert text.count('<td class="bar">') == 3 * 4
    widths = [float(w) for w in re.findall(r"width:([\d.]+)%", text)]
    assert len(widths) == 2 * 3 * 4
    assert max(widths) == 100
    first = c.explanation.relevance[0], c.recording.trace.relevance["input"][0]
    pairs = [
        100 * float(abs(v)) / max(abs(first[0]).max(), abs(first[1]).max()) for p in zip(*first, strict=True) for v in p
    ]
    np.testing.assert_allclose(widths[:8], pairs, rtol=1e-3)


def test_of_many_numbers_those_that_differ_most_are_shown(monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    net = lrp.Network.sequential([("fc", Dense(rng.normal(size=(40, 2)), np.ones(2)))])
    x = rng.normal(size=(1, 40))
    x[0, 7], x[0, 11] = 30.0, 0.0  # the largest relevance, and one of 0 that the other program gets wrong

    def change(name: str, array: Any) -> Any:
        return np.where(np.arange(40) == 11, array + 1, array) if name == "input" else array

    text = check(monkeypatch, partial(changed, change=change), net, x, composite="epsilon")._repr_html_()
    assert "24 of 40 numbers" in text
    places = re.findall(r"<tr( class=\"off\")?><td class=n>(\d+)</td>", text)
    assert [place for off, place in places if off] == ["11"]
    assert "7" in [place for _, place in places]


def test_what_is_left_out_has_no_picture_of_the_input(monkeypatch: Any) -> None:
    c = check(monkeypatch, partial(numpy_program, without="fc1"), composite="epsilon")
    words = " ".join(Page(c._repr_html_()).words)
    assert "Relevance of 'fc1'" in words
    assert "Relevance of input" not in words


def test_a_folder_has_everything(monkeypatch: Any, tmp_path: Path) -> None:
    c = images(monkeypatch)
    c.save(tmp_path / "out")
    names = {"crosscheck.html", "crosscheck.json", "ours.npz", "theirs.npz"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    again = lrp.Trace.load(tmp_path / "out" / "ours.npz").diff(lrp.Trace.load(tmp_path / "out" / "theirs.npz"))
    assert again.first.name == c.found.first.name == "input"
    told = json.loads((tmp_path / "out" / "crosscheck.json").read_text(encoding="utf-8"))
    assert (told["verdict"], told["equal"], told["first"]) == (c.verdict, False, "<b>")
    assert [row["node"] for row in told["rows"]] == [row.node for row in c.rows]
    assert told["rows"][-1]["relevance"]["ulp"] == c.rows[-1].ulps
    for name in ("no/page.html", "no/rows.json"):
        with pytest.raises(ParameterError, match="does not exist; create it first"):
            c.save(tmp_path / name)
