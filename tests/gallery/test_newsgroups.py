"""20 Newsgroups: an archive made here is read, and words become rows and counts; models on four words."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lrp_ref.errors import ModelFormatError
from lrp_ref.gallery.sources import newsgroups

POSTINGS = {
    "20news-bydate-train/sci.space/2": "From: a@b.c\n\nThe moon is far.\n\nIs it?",
    "20news-bydate-train/rec.autos/1": "From: a@b.c\t\tMy car is new.",
    "20news-bydate-test/sci.space/3": "Subject: x\n\nOrbit, é!",
    "20news-bydate-test/README": "no posting",
}


def archive(path: Path, postings: dict[str, str]) -> Path:
    with tarfile.open(path, "w:xz") as made:
        for name, text in postings.items():
            data = text.encode("latin-1")
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return path


def test_postings_lose_their_headers_and_keep_their_groups(tmp_path: Path) -> None:
    learnt, asked = newsgroups.read(archive(tmp_path / "a.tar.xz", POSTINGS))
    assert learnt.names == asked.names == ("rec.autos", "sci.space")
    assert learnt.texts == ("The moon is far.\n\nIs it?", "My car is new.")
    assert learnt.groups.tolist() == [1, 0]
    assert asked.texts == ("Orbit, é!",)
    assert learnt.some(1, 1).texts == ("My car is new.",)
    assert learnt.some(1, 1).names == ("rec.autos",)


def test_another_file_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no archive")
    with pytest.raises(ModelFormatError, match="not a tar archive"):
        newsgroups.read(tmp_path / "a")
    with pytest.raises(ModelFormatError, match="no postings as"):
        newsgroups.read(archive(tmp_path / "b", {"other/x/1": "text"}))


def test_words_become_rows_and_rows_counts() -> None:
    texts = ["moon moon car", "Car 4 the, moon-car"]
    words = newsgroups.vocabulary(texts, 2)
    assert words == ("car", "moon")
    rows = newsgroups.rows(texts, words, 3)
    assert rows.tolist() == [[1, 1, 0], [0, 1, 0]]
    assert newsgroups.rows(["the"], words, 2).tolist() == [[2, 2]]
    assert newsgroups.counts(rows, 2).toarray().tolist() == [[1, 2], [2, 1]]
    weights = np.array([[0.5, 0.25, 4.0], [1.0, 2.0, 3.0]])
    assert newsgroups.counts(rows, 2, weights).toarray().tolist() == [[4.0, 0.75], [4.0, 2.0]]


def test_counts_explained_are_weight_times_tfidf_divided_among_occurrences() -> None:
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.svm import LinearSVC

    from lrp_ref.gallery.learners.word_models import Counting, right_without

    rows = np.array([[0, 0, 1, 4], [0, 2, 4, 4], [1, 3, 3, 2], [3, 3, 1, 4], [2, 2, 0, 4], [3, 2, 1, 1]])
    groups = np.array([0, 0, 1, 1, 2, 2])
    model = Counting.trained(rows, groups, 4)
    counts = newsgroups.counts(rows, 4)
    weighted = TfidfTransformer().fit_transform(counts).toarray()
    svm = LinearSVC(random_state=0).fit(weighted, groups)
    assert np.allclose(model.scores(rows), svm.decision_function(weighted), atol=1e-12)
    assert np.allclose(model.tfidf(rows).toarray(), weighted, atol=1e-12)
    found = model.relevance(rows, groups)
    for k in range(6):
        for place, word in enumerate(rows[k]):
            expected = 0.0 if word == 4 else weighted[k, word] * svm.coef_[groups[k], word] / (rows[k] == word).sum()
            assert abs(found[k, place] - expected) < 1e-12
    stay = right_without(model, rows, groups, found, (0, 4))
    assert stay[0] == 1.0
    only_bias = (svm.intercept_.argmax() == groups[svm.predict(weighted) == groups]).mean()
    assert stay[1] == pytest.approx(only_bias), "without any word the bias alone answers"


def test_a_filling_gets_no_relevance() -> None:
    pytest.importorskip("torch")
    from lrp_ref.gallery.learners.word_models import Reading

    rng = np.random.default_rng(0)
    rows = np.array([[0, 1, 4, 4], [2, 3, 4, 4]] * 8)
    groups = np.array([0, 1] * 8)
    told: list[str] = []
    model = Reading.trained(rows, groups, 3 * rng.normal(size=(4, 3)), filters=5, width=2, epochs=60, away=0.1, rng=rng,
                            tell=lambda what, done, total: told.append(what))  # fmt: skip
    assert (model.scores(rows).argmax(axis=1) == groups).all()
    heat = model.relevance(rows, groups)
    assert heat.shape == rows.shape
    assert (heat[rows == 4] == 0).all()
    assert np.abs(heat[rows != 4]).max() > 0
    assert told
