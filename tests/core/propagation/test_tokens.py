"""Integer inputs that are looked up: the relevance of a token is that of its vector, summed over its dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from samples import Draw

import lrp_ref as lrp
from lrp_ref.errors import BackendError
from lrp_ref.layers import Conv, Dense, Embedding, Flatten, GlobalMaxPool, ReLU, Slice, Transpose
from lrp_ref.network import Input, Network, Node

D = Draw("tokens", "normal")
TABLE = D(9, 4)
READ = [Transpose((0, 2, 1)), Conv(D(5, 4, 2), D(5)), ReLU(), GlobalMaxPool(), Flatten(), Dense(D(5, 3), D(3))]
IDS = np.array([[0, 3, 8, -1, 3, 2], [7, 7, 1, 0, 4, 5]])


def test_a_token_has_the_relevance_of_its_vector() -> None:
    words, vectors = Network.sequential([Embedding(TABLE), *READ]), Network.sequential(READ)
    mine, theirs = lrp.explain(words, IDS, target=1), lrp.explain(vectors, TABLE[IDS], target=1)
    assert mine.relevance.shape == IDS.shape
    assert mine.relevance.dtype == np.float64
    np.testing.assert_allclose(mine.relevance, theirs.relevance.sum(axis=2), rtol=1e-12, atol=1e-15)
    assert mine.ledger.residual < 1e-12
    plain = lrp.plain.explain(words, IDS, target=1)
    np.testing.assert_allclose(plain.relevance, mine.relevance, rtol=1e-10, atol=1e-14)
    assert lrp.explain(words.astype("float32"), IDS, target=1).relevance.dtype == np.float32


def test_integers_may_be_moved_before_they_are_looked_up() -> None:
    cut = Network.sequential([Slice((1,), (1,), (None,), (1,)), Embedding(TABLE), *READ])
    whole = lrp.explain(Network.sequential([Embedding(TABLE), *READ]), IDS[:, 1:], target=0)
    found = lrp.explain(cut, IDS, target=0)
    np.testing.assert_allclose(found.relevance[:, 1:], whole.relevance, rtol=1e-12)
    assert not found.relevance[:, 0].any()
    assert cut.tokens == {"input"}


@pytest.mark.parametrize("count", [0, 1, 5])
def test_any_number_of_samples(count: int) -> None:
    net = Network.sequential([Embedding(TABLE), *READ])
    e = lrp.explain(net, np.zeros((count, 6), dtype=np.int32), target=0)
    assert e.relevance.shape == (count, 6)


def test_tokens_beside_floats_and_beside_integers_that_only_count() -> None:
    nodes = (
        Node("e", Embedding(TABLE), ("ids",)), Node("s", Flatten(), ("e",)), Node("a", lrp.layers.Concat(), ("s", "x")),
        Node("d", Dense(D(6 * 4 + 2, 2), D(2)), ("a",)), Node("moved", Flatten(), ("unread",)),
    )  # fmt: skip
    inputs = tuple(Input(name, (None, size)) for name, size in (("ids", 6), ("x", 2), ("unread", 1)))
    net = Network(nodes, inputs, ("d",))
    fed: dict[str, Any] = {"ids": IDS, "x": D(2, 2), "unread": np.ones((2, 1), dtype=int)}
    e = lrp.explain(net, fed, target=0)
    assert set(e.relevance) == {"ids", "x"}
    total = sum(part.sum(axis=1) for part in e.relevance.values())
    columns = sum(row.bias + row.stabiliser + row.dropped for row in e.ledger)
    np.testing.assert_allclose(total + columns, e.start_relevance.sum(axis=1), rtol=1e-12)


def test_a_network_without_any_floats_is_refused() -> None:
    with pytest.raises(BackendError, match="nothing to give relevance to"):
        lrp.explain(Network.sequential([Flatten()]), IDS)
