"""A table's text is the same in a notebook, where rich would show it by itself."""

import builtins

import pytest

from lrp_ref.base import tables


class ZMQInteractiveShell:
    """What rich takes for a notebook."""


def test_a_table_is_text_in_a_notebook_too(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = tables.text(["a", "R"], [["x", "1"]], right=[1])
    monkeypatch.setattr(builtins, "get_ipython", ZMQInteractiveShell, raising=False)
    assert tables.text(["a", "R"], [["x", "1"]], right=[1]) == plain
    assert "x" in plain
