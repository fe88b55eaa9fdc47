"""Lists of relevant words, and what two of them have in common."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from lrp_ref.gallery.applications import two_text_classifiers as application


def test_words_are_listed_by_their_sum_over_a_group() -> None:
    relevance = csr_array(np.array([[3.0, 0.0, 1.0], [0.0, 2.0, 2.5], [0.0, 0.0, -1.0]]))
    found = application.listed(relevance, np.array([0, 0, 1]), ("a", "b", "c"))
    assert found == [["c", "a", "b"], ["a", "b", "c"]]
    assert application.overlap([["a", "b"]], [["b", "c"]]) == 0.5


def test_the_posting_has_the_letters_that_a_line_may_have() -> None:
    assert all(word.isalpha() or word in ",.?" for word in application.POSTING.split())
