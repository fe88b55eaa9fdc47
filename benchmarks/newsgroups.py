"""``python -m benchmarks.newsgroups ARCHIVE``: a bag of words of 20 Newsgroups, explained word by word.

ARCHIVE is the tar file of the collection by date, one folder a group. Headers are cut, for they name the group. Needs
scikit-learn.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from .report import Table

WORDS = 70_000
LETTERS = r"[a-zA-Z]+"  # of a word; numbers are none
DELETED = (10, 20, 50)
DIMENSIONS, NEIGHBOURS, SPLITS = 100, 25, 10
TOPICS = ("sci.space", "rec.sport.hockey", "sci.med", "talk.politics.guns")
Documents = tuple[list[str], NDArray[np.int64]]


def read(archive: Path, *, strip: Sequence[Callable[[str], str]] = ()) -> tuple[Documents, Documents, list[str]]:
    """Return documents and groups to learn and to test, and the names of the groups.

    In some copies of the collection every line ends in a tab; without a line's end no header ends.

    Args:
        archive: the tar file, compressed or not.
        strip: what else is cut off a document, such as its footer.
    """
    found: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    with tarfile.open(archive) as held:
        for member in held:
            parts = member.name.split("/")
            stream = held.extractfile(member) if member.isfile() and len(parts) == 3 else None
            if stream is None:
                continue
            text = stream.read().decode("latin-1").replace("\t", "\n")
            _, _, text = text.partition("\n\n")
            for cut in strip:
                text = cut(text)
            found[parts[0].rpartition("-")[2]].append((parts[1], text))
    groups = sorted({group for group, _ in found["train"]})

    def made(part: str) -> Documents:
        return [text for _, text in found[part]], np.array([groups.index(group) for group, _ in found[part]])

    return made("train"), made("test"), groups


def trained(documents: Documents) -> Any:
    """Return tf-idf and a linear SVM, fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    words = TfidfVectorizer(max_features=WORDS, token_pattern=LETTERS)
    return make_pipeline(words, LinearSVC(random_state=0)).fit(*documents)


def without(counts: Any, order: NDArray[Any], k: int) -> Any:
    """Return counts (N, V) without the k words of each document whose numbers in ``order`` (nnz,) are largest."""
    left = counts.copy()
    for row in range(counts.shape[0]):
        begin, end = counts.indptr[row], counts.indptr[row + 1]
        left.data[begin + np.argsort(-order[begin:end], kind="stable")[:k]] = 0
    return left


def weighted(counts: Any, idf: NDArray[Any]) -> Any:
    """Return tf-idf of length 1 for each document, with the pattern of the counts."""
    found = counts.copy()
    found.data = counts.data * idf[counts.indices]
    size = np.sqrt(np.add.reduceat(np.r_[found.data**2, 0], counts.indptr[:-1])) * (np.diff(counts.indptr) > 0)
    found.data = found.data / np.repeat(size, np.diff(counts.indptr))
    return found


def neighbours(vectors: NDArray[Any], groups: NDArray[Any]) -> float:
    """Return how often the nearest neighbours have a document's group, on random halves of the documents."""
    from sklearn.neighbors import KNeighborsClassifier

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit, draw, found = vectors / np.where(length == 0, 1, length), np.random.default_rng(0), []
    for _ in range(SPLITS):
        order = draw.permutation(len(unit))
        one, other = order[: len(order) // 2], order[len(order) // 2 :]
        found.append(KNeighborsClassifier(NEIGHBOURS).fit(unit[one], groups[one]).score(unit[other], groups[other]))
    return float(np.mean(found))


def measure(path: Path) -> dict[str, float]:
    """Return seconds and peak memory of explaining what a file holds; for a process of its own."""
    from scipy.sparse import csr_array

    import lrp_ref as lrp
    from lrp_ref.layers import Affine, Dense, UnitNorm

    with np.load(path) as a:
        counts = csr_array((a["data"], a["indices"], a["indptr"]), shape=(len(a["indptr"]) - 1, len(a["idf"])))
        layers = [("idf", Affine(a["idf"])), ("norm", UnitNorm()), ("scores", Dense(a["weight"], a["bias"]))]
    net = lrp.Network.sequential(layers)
    before, begun, used = _peak(), time.perf_counter(), time.process_time()
    e = lrp.neuralise.explain_sparse(net, counts, composite="lrp0")
    return {
        "seconds": time.perf_counter() - begun, "processor": time.process_time() - used, "before": before,
        "peak": _peak(), "residual": e.ledger.residual,
    }  # fmt: skip


def _peak() -> float:
    """Return the largest memory of this process so far, in bytes.

    What the system counts for a process begins with that of the process that started it; where there is a better
    number, it is taken.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def speed(net: Any, counts: Any, rounds: int) -> Table:
    """Return the table of seconds and memory, each round in a fresh process."""
    idf, top = net["idf"].layer.scale, net["scores"].layer
    table = Table(
        "newsgroups_speed", f"{counts.shape[0]} documents × {counts.shape[1]} words × {top.weight.shape[1]} classes",
        ["round", "time [s]", "processor [s]", "peak [MB]", "before it [MB]", "ledger residual"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        np.savez(
            path, data=counts.data, indices=counts.indices, indptr=counts.indptr, idf=idf, weight=top.weight,
            bias=top.bias,
        )  # fmt: skip
        for k in range(rounds):
            order = [sys.executable, "-m", "benchmarks.newsgroups", str(path), "--measure"]
            told = json.loads(subprocess.run(order, capture_output=True, text=True, check=True).stdout)
            row = [told[name] for name in ("seconds", "processor", "peak", "before", "residual")]
            table.rows.append([k + 1, *row])
    return table


def accuracy(name: str, model: Any, test: Documents) -> list[Any]:
    """Return a row: how many documents of the test are in the right group."""
    return [name, float(model.score(*test))]


@click.command()
@click.argument("archive", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Of time and memory.")
@click.option("--measure", "measured", is_flag=True, hidden=True)
def main(archive: Path, rounds: int, measured: bool) -> None:
    """Measure accuracy, deletion of words, document vectors, time and memory on 20 Newsgroups."""
    if measured:
        click.echo(json.dumps(measure(archive)))
        return
    import lrp_ref as lrp

    train, test, groups = read(archive)
    model = trained(train)
    net, bag = lrp.neuralise.from_sklearn(model), lrp.text.BagOfWords.of(model)
    begun = time.perf_counter()
    counts = bag.counts(test[0])
    counting = time.perf_counter() - begun
    e = lrp.neuralise.explain_sparse(net, counts)
    difference = float(abs(e.output - model.decision_function(test[0])).max())
    table = Table("newsgroups", "tf-idf and LinearSVC on 20 Newsgroups by date", ["text", "right"])
    table.rows.append(accuracy("without header", model, test))
    footless = _stripped(archive)
    table.rows.append(accuracy("without header, footer, quotes", trained(footless[0]), footless[1]))
    table.notes += [
        f"{bag.size} words; counting {len(test[0])} documents takes {counting:.1f} s",
        f"largest difference from the estimator's own scores {difference:.1e}; ledger residual {e.ledger.residual:.1e}",
    ]
    table.show()
    words_table(e, bag, test, groups).show()
    deletion(net, e, counts, test[1]).show()
    vectors(net, bag, e, counts, train, test[1]).show()
    speed(net, counts, rounds).show()


def _stripped(archive: Path) -> tuple[Documents, Documents]:
    from sklearn.datasets import _twenty_newsgroups as strip

    train, test, _ = read(archive, strip=(strip.strip_newsgroup_footer, strip.strip_newsgroup_quoting))
    return train, test


def words_table(e: Any, bag: Any, test: Documents, groups: list[str]) -> Table:
    """Return the words that have the largest relevance in any document that is put into a group rightly."""
    table = Table("newsgroups_words", "words of the largest relevance", ["group", "words"])
    predicted = e.output.argmax(axis=1)
    for topic in TOPICS:
        k = groups.index(topic)
        rows = e.relevance[np.nonzero((predicted == k) & (test[1] == k))[0]]
        best = rows.max(axis=0).toarray().ravel()
        table.rows.append([topic, " ".join(bag.words[j] for j in np.argsort(-best, kind="stable")[:10])])
    return table


def deletion(net: Any, e: Any, counts: Any, groups: NDArray[Any]) -> Table:
    """Return how many documents that were right stay so when words are deleted, by several orders."""
    import lrp_ref as lrp

    right = np.nonzero(e.output.argmax(axis=1) == groups)[0]
    table = Table(
        "newsgroups_deletion", f"{len(right)} documents that are right: how many stay so without k of their words",
        ["order", *(f"k = {k}" for k in DELETED)],
    )  # fmt: skip
    some, tfidf = counts[right], weighted(counts, net["idf"].layer.scale)[right]
    orders = {
        "relevance": e.relevance[right].data, "tf-idf": tfidf.data,
        "random": np.random.default_rng(0).random(some.nnz),
    }  # fmt: skip
    for name, order in orders.items():
        stay = []
        for k in DELETED:
            left = lrp.neuralise.explain_sparse(net, without(some, order, k)).output
            stay.append(float((left.argmax(axis=1) == groups[right]).mean()))
        table.rows.append([name, *stay])
    return table


def vectors(net: Any, bag: Any, e: Any, counts: Any, train: Documents, groups: NDArray[Any]) -> Table:
    """Return how well nearest neighbours of document vectors tell the group."""
    from sklearn.decomposition import TruncatedSVD

    import lrp_ref as lrp

    idf = net["idf"].layer.scale
    svd = TruncatedSVD(DIMENSIONS, random_state=0).fit(weighted(bag.counts(train[0]), idf))
    length = np.linalg.norm(svd.components_, axis=0)
    words = (svd.components_ / np.where(length == 0, 1, length)).T
    table = Table(
        "newsgroups_vectors", f"document vectors of {DIMENSIONS} dimensions, {NEIGHBOURS} nearest neighbours",
        ["words weighted by", "right", "between groups"],
    )  # fmt: skip
    weights = {"relevance": e.relevance, "tf-idf": weighted(counts, idf), "their counts": counts}
    for name, weight in weights.items():
        made = lrp.text.document_vectors(words, weight)
        table.rows.append([name, neighbours(made, groups), _between(made, groups)])
    table.notes += [
        f"word vectors: by the singular vectors of tf-idf of what was learned, of length 1; {SPLITS} random halves",
        "between groups: the share of the variance in the first two principal components that lies between groups",
    ]
    return table


def _between(vectors: NDArray[Any], groups: NDArray[Any]) -> float:
    """Return the part of the variance in a plane that lies between the means of the groups."""
    import lrp_ref as lrp

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    points = lrp.text.principal_components(vectors / np.where(length == 0, 1, length), 2).points
    means = np.stack([points[groups == k].mean(axis=0) for k in range(groups.max() + 1)])
    return float(((means[groups]) ** 2).sum() / (points**2).sum())


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.newsgroups")
