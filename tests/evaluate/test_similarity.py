"""Similarity of maps against SciPy, scikit-image and closed forms; a constant map is like nothing."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats
from strict import STRICT

from lrp_ref.arithmetic import rational
from lrp_ref.errors import MissingExtraError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.evaluate import SIMILARITIES, pearson, spearman, spearman_absolute, ssim
from lrp_ref.evaluate.similarity import find_similarity

RNG = np.random.default_rng(31)
A = RNG.normal(size=(7, 2, 9, 8))
B = 0.5 * A + RNG.normal(size=A.shape)
A[2], B[2] = A[2].round(), B[2].round()  # ties
B[3] = -A[3]
B[4] = 3 * A[4] + 2
RANKED = [pearson, spearman, spearman_absolute]
SCIPY: dict[Any, Any] = {
    pearson: lambda a, b: stats.pearsonr(a, b)[0],
    spearman: lambda a, b: stats.spearmanr(a, b)[0],
    spearman_absolute: lambda a, b: stats.spearmanr(abs(a), abs(b))[0],
}


@pytest.mark.parametrize("measure", RANKED)
@pytest.mark.parametrize("per", [None, "pixel", "number"])
def test_each_is_scipys(measure: Any, per: str | None) -> None:
    flat = [m.reshape(7, -1) if per == "number" else m.sum(axis=1).reshape(7, -1) for m in (A, B)]
    expected = [SCIPY[measure](a, b) for a, b in zip(*flat, strict=True)]
    np.testing.assert_allclose(measure(A, B, per=per), expected, atol=1e-14, rtol=0)


def test_known_answers() -> None:
    assert pearson(A, B)[3] == pytest.approx(-1, abs=1e-15)
    assert pearson(A, B, per="number")[4] == pytest.approx(1, abs=1e-15)
    assert spearman(A, np.exp(A), per="number") == pytest.approx(np.ones(7), abs=1e-15)
    assert spearman_absolute(A, B)[3] == pytest.approx(1, abs=1e-15)
    # 1 − 6 Σd²/(n(n² − 1)) of ranks without ties
    a, b = np.array([[1.0, 2, 3, 4, 5]]), np.array([[2.0, 1, 4, 3, 5]])
    assert spearman(a, b)[0] == pytest.approx(float(1 - Fraction(6 * 4, 5 * 24)), abs=1e-15)


@pytest.mark.parametrize("measure", RANKED)
@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e-300, 1e300])
def test_a_constant_map_is_like_nothing(measure: Any, value: float) -> None:
    """The mean of 21 numbers 0.1 is not 0.1, and what is left would look like variance."""
    same = np.full((1, 21), value)
    other = RNG.normal(size=(1, 21))
    assert np.isnan(measure(same, other)).all()
    assert np.isnan(measure(other, same)).all()
    assert np.isnan(measure(same, same)).all()


@pytest.mark.parametrize("measure", RANKED)
@pytest.mark.parametrize("scale", [2.0**-990, 2.0**-530, 2.0**530, 2.0**990])
def test_size_does_not_matter(measure: Any, scale: float) -> None:
    np.testing.assert_allclose(measure(A * scale, B / scale), measure(A, B), atol=1e-12, rtol=0)


@pytest.mark.parametrize("measure", RANKED)
def test_one_sample_none_and_a_batch(measure: Any) -> None:
    whole = measure(A, B)
    assert whole.shape == (7,)
    assert whole.dtype == np.float64
    for k in range(7):
        assert measure(A[k : k + 1], B[k : k + 1])[0] == whole[k]
    assert measure(A[:0], B[:0]).shape == (0,)


@pytest.mark.parametrize("measure", RANKED)
def test_other_numbers_and_libraries(measure: Any) -> None:
    whole = measure(A, B)
    np.testing.assert_allclose(measure(A.astype(np.float32), B.astype(np.float32)), whole, atol=1e-5)
    a, b = (m.round(2) for m in (A, B))
    exact = measure(rational(a), rational(b))
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, measure(a, b), atol=1e-12)
    np.testing.assert_array_equal(measure(STRICT.asarray(A), STRICT.asarray(B)), whole)


def pictures() -> tuple[Any, Any]:
    a, b = A.copy(), B.copy()
    b[5] = a[5]
    a[6], b[6] = 2.0, 2.0
    return a, b


def test_ssim_is_that_of_pictures() -> None:
    metrics = pytest.importorskip("skimage.metrics")
    a, b = pictures()
    found = ssim(a, b)
    for k in range(6):
        one, other = a[k].sum(axis=0), b[k].sum(axis=0)
        span = np.ptp(np.stack([one, other]))
        assert found[k] == metrics.structural_similarity(one, other, data_range=span)
        assert found[k] == ssim(a[k : k + 1], b[k : k + 1])[0]
    assert found[5] == 1
    assert np.isnan(found[6])  # there is no range
    assert ssim(a[:0], b[:0]).shape == (0,)
    np.testing.assert_array_equal(ssim(a.sum(axis=1), b.sum(axis=1)), found)
    np.testing.assert_allclose(ssim(STRICT.asarray(a), STRICT.asarray(b)), found, atol=1e-15)


def literal_ssim(a: Any, b: Any, window: int) -> float:
    """The formula, window by window, with uncorrected means and sample variances (Wang et al. 2004)."""
    span = max(a.max(), b.max()) - min(a.min(), b.min())
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    found = []
    for y in range(a.shape[0] - window + 1):
        for x in range(a.shape[1] - window + 1):
            p, q = (m[y : y + window, x : x + window].ravel() for m in (a, b))
            (vp, cov), (_, vq) = np.cov(p, q)
            ups = (2 * p.mean() * q.mean() + c1) * (2 * cov + c2)
            found.append(ups / ((p.mean() ** 2 + q.mean() ** 2 + c1) * (vp + vq + c2)))
    return float(np.mean(found))


@pytest.mark.parametrize(("sizes", "window"), [((9, 8), 7), ((6, 9), 5), ((5, 5), 5), ((4, 7), 3), ((3, 3), 3)])
def test_the_window_is_the_largest_odd_one_up_to_seven(sizes: tuple[int, int], window: int) -> None:
    pytest.importorskip("skimage.metrics")
    a, b = RNG.normal(size=(2, 3, *sizes))
    expected = [literal_ssim(x, y, window) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ssim(a, b), expected, atol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"two maps are compared that have shapes"):
        pearson(A, B[:3])
    with pytest.raises(NonFiniteError):
        spearman(A, np.full_like(A, np.nan))
    with pytest.raises(ParameterError, match="did you mean 'spearman'"):
        find_similarity("spaerman")
    with pytest.raises(ParameterError, match="ssim compares pictures"):
        ssim(A, B, per="number")
    with pytest.raises(ParameterError, match="did you mean 'pixel'"):
        ssim(A, B, per="pixels")
    assert SIMILARITIES[find_similarity("ssim").__name__] is ssim


def test_ssim_of_what_is_no_picture_is_refused() -> None:
    pytest.importorskip("skimage.metrics")
    with pytest.raises(ShapeError, match="at least 3 × 3"):
        ssim(A[:, :, :2], B[:, :, :2])
    with pytest.raises(ShapeError, match="at least 3 × 3"):
        ssim(A.reshape(7, -1), B.reshape(7, -1))


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(MissingExtraError, match=r"lrp-ref\[evaluate\]"):
        ssim(A, B)
