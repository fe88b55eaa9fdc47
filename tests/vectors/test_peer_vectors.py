"""Every relevance that other programs computed on the stored networks is reproduced, none is left out."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import peers
import pytest
from peer_cases import FOLDER, names, read
from peer_recipes import DIALECTS, recipe

NAMES = names()

pytestmark = pytest.mark.skipif(not NAMES, reason=f"{FOLDER} is absent: the peers' numbers are not distributed")

# Stored cases, by program: (the papers' rules, dialects). A case that is neither has no recipe, and fails.
COUNTS = {
    "LRP_for_LSTM": (2, 2),
    "captum": (4, 17),
    "innvestigate": (52, 31),
    "lrp_toolbox": (25, 10),
    "zennit": (65, 28),
}


def test_no_case_drops_out() -> None:
    assert len(NAMES) == len(set(NAMES)) == len(list(FOLDER.glob("*.json"))) == 236
    found = Counter((case.peer, recipe(case).status) for case in map(read, NAMES))
    assert {peer: (found[peer, "paper"], found[peer, "dialect"]) for peer in COUNTS} == COUNTS
    assert sum(found.values()) == 236


@pytest.mark.parametrize("name", NAMES)
def test_reproduced(name: str) -> None:
    """Output, input relevance and all stored inner relevances; what a dialect changes is visible."""
    case = read(name)
    chosen = recipe(case)
    differences = peers.compare(case, chosen)
    assert {"output", "input"} | set(case.relevances()) <= set(differences)
    assert max(differences.values()) <= case.tolerance, differences
    assert set(chosen.dialects) <= set(DIALECTS)
    if chosen.dialects:
        assert max(peers.compare(case, chosen, paper=True).values()) > 100 * case.tolerance


def test_every_dialect_occurs() -> None:
    assert {d for name in NAMES for d in recipe(read(name)).dialects} == set(DIALECTS)


def test_stored_inner_relevances_are_compared() -> None:
    """How many arrays besides output and input relevance are compared: stored ones and those said to equal them."""
    stored = 0
    for path in FOLDER.glob("*.npz"):
        with np.load(path) as arrays:
            stored += sum(key.startswith("layer/") for key in arrays.files)
        stored += len(json.loads(path.with_suffix(".json").read_text()).get("layer_alias") or {})
    per_lstm = 4  # both directions' words and last states
    assert sum(len(read(name).relevances()) for name in NAMES) == stored + 4 * per_lstm == 1485


@pytest.mark.parametrize(
    "name", ["B__lrp.z__innvestigate", "D__gamma_10__zennit", "G__lstm_bi_eps0.01_bias1__LRP_for_LSTM"]
)
def test_a_planted_difference_is_seen(name: str) -> None:
    """The largest entry of one stored array, wrong by 1e-9 of itself."""
    case = read(name)
    for key in (k for k in case.arrays if k.startswith(("layer/", "Rx_")) or k in ("relevance", "output")):
        wrong = case.arrays[key].copy()
        wrong.reshape(-1)[np.abs(wrong).argmax()] *= 1 + 1e-9
        planted = replace(case, arrays={**case.arrays, key: wrong})
        assert max(peers.compare(planted, recipe(planted)).values()) > case.tolerance, key
