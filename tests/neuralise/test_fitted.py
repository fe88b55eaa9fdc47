"""Estimators as plain data; the classes here stand in for scikit-learn's."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from lrp_ref.errors import ParameterError, UnsupportedError
from lrp_ref.neuralise.fitted import DEEPEST, Fitted, Opaque


class LinearSVC:
    __module__ = "sklearn.svm._classes"

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def fit(self, x: Any) -> None: ...

    def decision_function(self, x: Any) -> None: ...


class Fits(LinearSVC):
    """A class of one's own, which computes what it is derived from computes."""

    note = "not an attribute of the other"

    def fit(self, x: Any) -> None: ...


class Decides(Fits):
    def decision_function(self, x: Any) -> None: ...


class Other:
    pass


def helper() -> None: ...


VALUES: dict[str, tuple[Any, Any]] = {
    "none": (None, None),
    "number": (2, 2),
    "text": ("rbf", "rbf"),
    "list": ([1, [2.5, "a"]], (1, (2.5, "a"))),
    "tuple": ((1, 2), (1, 2)),
    "dictionary": ({"a": [1], 2: None}, {"a": (1,), 2: None}),
    "set": ({"a", "the"}, frozenset(("a", "the"))),
    "type": (np.float64, Opaque("numpy.float64")),
    "function": (helper, Opaque(f"{__name__}.helper")),
    "object": (Other(), Opaque(f"{__name__}.Other")),
    "complex": (1j, Opaque("builtins.complex")),
    "generator": (np.random.default_rng(0), Opaque("numpy.random._generator.Generator")),
    "complex array": (np.array([1j]), Opaque("numpy.ndarray of complex128")),
    "records": (np.zeros(2, [("a", "f8")]), Opaque("numpy.ndarray of [('a', '<f8')]")),
    "objects": (np.array([Other()]), Opaque("numpy.ndarray of object")),
    "masked array": (np.ma.masked_array([1.0], [True]), Opaque("numpy.ma.MaskedArray")),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_become_plain(name: str) -> None:
    live, plain = VALUES[name]
    assert Fitted.of(LinearSVC(held=live)) == Fitted("LinearSVC", {"held": plain})
    assert Fitted.of(LinearSVC(held=live))["held"] == plain


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, np.nan]]), np.array([1, 2], np.int32), np.array([True]), np.array(2.5, np.float32),
        np.array(["cat", "dog"]), np.array(["cat", None, 3, 2.5], object), np.arange(6.0)[::2],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
)  # fmt: skip
def test_arrays_are_read_only_copies(array: np.ndarray[Any, Any]) -> None:
    before = array.copy()
    held = Fitted.of(LinearSVC(coef_=array))
    array[...] = 0
    assert held["coef_"].dtype == before.dtype
    assert held["coef_"].shape == before.shape
    assert held == Fitted("LinearSVC", {"coef_": before})
    with pytest.raises(ValueError, match="read-only"):
        held["coef_"][...] = 0


def test_a_value_made_of_arrays_is_sealed_too() -> None:
    array, inner = np.ones(2), {"a": [1]}
    held = Fitted("LinearSVC", {"coef_": array, "inner": inner})
    array[0], inner["a"][0] = 5, 9
    assert held["coef_"].tolist() == [1, 1]
    assert held["inner"] == {"a": (1,)}
    with pytest.raises(TypeError):
        held.attributes["more"] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        held["inner"]["more"] = 1
    with pytest.raises(AttributeError):
        held.kind = "SVC"  # type: ignore[misc]


@pytest.mark.parametrize("form", ["csr_array", "csc_matrix", "coo_array", "dia_array"])
def test_sparse_matrices_have_one_form(form: str) -> None:
    dense = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, -3.0]])
    held = Fitted.of(LinearSVC(coef_=getattr(scipy.sparse, form)(dense)))
    assert type(held["coef_"]) is scipy.sparse.csr_array
    assert (held["coef_"].toarray() == dense).all()
    assert held == Fitted("LinearSVC", {"coef_": scipy.sparse.csr_array(dense)})
    assert held != Fitted("LinearSVC", {"coef_": scipy.sparse.csr_array(2 * dense)})
    assert held != Fitted("LinearSVC", {"coef_": dense})


def test_estimators_inside_are_found() -> None:
    pipeline = LinearSVC(
        steps=[("scale", LinearSVC(mean_=np.ones(2))), ("rest", "passthrough")], by={"a": LinearSVC(C=2)}
    )
    held = Fitted.of(pipeline)
    assert held["steps"][0][1] == Fitted("LinearSVC", {"mean_": np.ones(2)})
    assert held["steps"][1] == ("rest", "passthrough")
    assert held["by"]["a"]["C"] == 2
    assert Fitted.of(held) is held


def test_an_estimator_that_holds_itself_is_refused() -> None:
    svm = LinearSVC()
    svm.inner = [svm]  # type: ignore[attr-defined]
    with pytest.raises(UnsupportedError, match=f"more than {DEEPEST} deep"):
        Fitted.of(svm)


def test_a_tree_of_points_is_its_points() -> None:
    class KDTree:
        __module__ = "sklearn.neighbors._kd_tree"
        data, sample_weight = memoryview(np.array([[1.0, 2.0]])), None

    held = Fitted.of(LinearSVC(tree_=KDTree()))
    assert held["tree_"] == Fitted("KDTree", {"data": np.array([[1.0, 2.0]]), "sample_weight": None})
    KDTree.sample_weight = memoryview(np.array([3.0]))  # type: ignore[assignment]
    assert Fitted.of(LinearSVC(tree_=KDTree()))["tree_"]["sample_weight"].tolist() == [3.0]


def test_methods_that_scikit_learn_gives_every_derived_class_do_not_count() -> None:
    class Own(LinearSVC):
        _abc_impl = None

        def set_fit_request(self) -> None: ...

        def set_score_request(self) -> None: ...

    for name in ("set_fit_request", "set_score_request", "_abc_impl"):
        setattr(LinearSVC, name, None)
    try:
        assert Fitted.of(Own(coef_=np.ones(2))) == Fitted("LinearSVC", {"coef_": np.ones(2)})
    finally:
        for name in ("set_fit_request", "set_score_request", "_abc_impl"):
            delattr(LinearSVC, name)


def test_a_method_that_was_put_in_place_of_the_class_s() -> None:
    svm = LinearSVC(coef_=np.ones(2))
    svm.decision_function = lambda x: -x
    with pytest.raises(UnsupportedError, match="this LinearSVC has its own decision_function instead of its class's"):
        Fitted.of(svm)
    assert Fitted.of(LinearSVC(kernel=helper))["kernel"] == Opaque(f"{__name__}.helper")  # a parameter is none


def test_a_derived_class_is_what_it_computes() -> None:
    assert Fitted.of(Fits(C=1.0)) == Fitted("LinearSVC", {"C": 1.0})
    with pytest.raises(UnsupportedError, match=r"Decides is a LinearSVC with its own decision_function"):
        Fitted.of(Decides())
    with pytest.raises(UnsupportedError, match=r"Decides is a LinearSVC with its own decision_function"):
        Fitted.of(LinearSVC(inner=[Decides()]))


@pytest.mark.parametrize("value", [Other(), 3, np.ones(2), None, "LinearSVC", [LinearSVC()], helper])
def test_what_is_no_estimator_is_refused(value: Any) -> None:
    with pytest.raises(UnsupportedError, match="is not an estimator of scikit-learn"):
        Fitted.of(value)


def test_a_class_instead_of_an_object_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"LinearSVC is a class, .* pass what LinearSVC\(…\).fit\(…\) returns"):
        Fitted.of(LinearSVC)


def test_a_missing_attribute_says_what_it_means() -> None:
    held = Fitted("LinearSVC", {"C": 1.0})
    assert "C" in held
    assert "coef_" not in held
    assert (held.get("C"), held.get("coef_"), held.get("coef_", 3)) == (1.0, None, 3)
    with pytest.raises(ParameterError, match="LinearSVC: it has no coef_: it was not fitted"):
        held["coef_"]


def test_equality_and_hash() -> None:
    one = Fitted("SVC", {"coef_": np.array([1.0, np.nan]), "gamma": float("nan"), "in": Fitted("PCA", {"n": 2})})
    same = Fitted("SVC", {"gamma": float("nan"), "coef_": np.array([1.0, np.nan]), "in": Fitted("PCA", {"n": 2})})
    assert one == same
    assert hash(one) == hash(same)
    for changed in (
        Fitted("NuSVC", one.attributes), Fitted("SVC", {**one.attributes, "C": 1}),
        Fitted("SVC", {**one.attributes, "coef_": np.array([1.0, 2.0])}),
        Fitted("SVC", {**one.attributes, "coef_": np.array([1.0, np.nan], np.float32)}),
        Fitted("SVC", {**one.attributes, "in": Fitted("PCA", {"n": 3})}),
        Fitted("SVC", {**one.attributes, "in": None}), "SVC",
    ):  # fmt: skip
        assert one != changed
    assert Fitted("SVC", {"C": 1}) != Fitted("SVC", {"C": True})
    assert Fitted("SVC", {"C": (1, 2)}) != Fitted("SVC", {"C": (1, 2, 3)})


def test_copies_and_pickles_are_the_same() -> None:
    held = Fitted(
        "SVC", {"coef_": np.ones(2), "words": {"a": 0, "b": {"c": (1,)}}, "in": Fitted("PCA", {"k": Opaque("f")})}
    )
    for made in (copy.copy(held), copy.deepcopy(held), pickle.loads(pickle.dumps(held))):  # noqa: S301 - our own
        assert made == held


def test_the_repr_is_short() -> None:
    held = Fitted(
        "SVC", {"w": np.ones((2, 3)), "g": np.float64(0.5), "v": {str(k): k for k in range(99)}, "n": (1, "a")}
    )
    assert repr(held) == "Fitted(SVC: w=float64[2, 3], g=0.5, v=dict[99], n=(1, 'a'))"
    assert repr(Fitted("A", {"b": {"c": (1,)}})) == "Fitted(A: b={'c': (1,)})"
