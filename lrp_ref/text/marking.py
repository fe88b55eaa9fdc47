"""Documents whose words are marked by their relevance, where a network reads them as bags of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import heatmap
from ..arithmetic import scalar
from ..base.arrays import to_numpy
from ..errors import ParameterError, ShapeError
from ..network.network import Network
from ..neuralise.columns import Front
from ..neuralise.sparse import SparseExplanation, explain_sparse
from ..propagation.ledger import Ledger
from .bag import BagOfWords, Token, texts
from .feeding import Mapped
from .sentence import Sentence, Words


def token_relevance(bag: BagOfWords, document: str, relevance: Any) -> NDArray[Any]:
    """Return the relevance of each token of a document.

    Formula: R_t = Σ_{occurrences o ∋ t} R_i/(c_i n_i): the relevance of a word i of the vocabulary goes in equal parts
    to its c_i occurrences in the document, and that of an n-gram in equal parts to its n_i tokens. Tokens of no such
    word get 0, so that the sum stays.

    Args:
        bag: its words are the columns.
        document: a text of T tokens, see :meth:`BagOfWords.tokens`.
        relevance: of the columns, (V,).

    Returns:
        (T,).

    Raises:
        ShapeError: another number of relevances than words.

    Example:
        >>> bag = BagOfWords(["moon", "new moon"], ngram_range=(1, 2))
        >>> token_relevance(bag, "a new moon, old moon", np.array([2.0, 0.5]))
        array([0.25, 1.25, 0.  , 1.  ])
    """
    return _marked(bag, document, relevance)[1]


def marked(bag: BagOfWords, document: str, relevance: Any) -> Words:
    """Return a document piece by piece with the relevance of its tokens; what the vocabulary lacks is not known.

    Args:
        bag, document, relevance: as of :func:`token_relevance`.

    Raises:
        ShapeError: another number of relevances than words.

    Example:
        >>> print(marked(BagOfWords(["moon"]), "A new Moon!", np.array([2.0])))
        A new Moon(+2) !
    """
    tokens, values, known = _marked(bag, document, relevance)
    spelled, at = _pieces(document, tokens)
    numbers = np.zeros(len(spelled), dtype=values.dtype)
    there = [False] * len(spelled)
    for k, place in enumerate(at):
        numbers[place], there[place] = values[k], known[k]
    return Words(spelled, numbers, (False,) * len(spelled), tuple(there))


def _marked(bag: BagOfWords, document: str, relevance: Any) -> tuple[tuple[Token, ...], NDArray[Any], list[bool]]:
    """Return the tokens, their relevance, and which of them are part of a word of the vocabulary."""
    values = to_numpy(relevance) if hasattr(relevance, "dtype") else np.asarray(relevance)
    if values.shape != (bag.size,):
        raise ShapeError(f"relevance has shape {values.shape}; the vocabulary has {bag.size} words")
    tokens = bag.tokens(document)
    places = bag.places(tokens)
    count = Counter(column for column, _, _ in places)
    received, known = np.zeros(len(tokens), dtype=values.dtype), [False] * len(tokens)
    for column, first, n in places:
        share = values[column] / scalar(count[column] * n, values)
        for k in range(first, first + n):
            received[k] = received[k] + share
            known[k] = True
    return tokens, received, known


def _pieces(document: str, tokens: Sequence[Token]) -> tuple[tuple[str, ...], list[int]]:
    """Return a document in pieces, its tokens and what stands between them, and which pieces the tokens are."""
    pieces: list[str] = []
    at, end = [], 0
    for token in tokens:
        pieces += document[end : token.begin].split()
        at.append(len(pieces))
        pieces.append(document[token.begin : token.end])
        end = max(end, token.end)
    return (*pieces, *document[end:].split()), at


@dataclass(frozen=True, eq=False)
class Counted:
    """A document as the input of a network that reads bags of words.

    It is to a bag of words what :class:`Fed` is to a tokenizer.

    Attributes:
        bag: whose words are counted.
        document: the text.
        x: the input by name, (1, V).
        name: of the input.
    """

    bag: BagOfWords
    document: str
    x: dict[str, NDArray[Any]]
    name: str

    @staticmethod
    def of(net: Network, bag: BagOfWords, document: str, *, dtype: Any = float) -> Counted:
        """Return a document as the input of a network, whose columns are the bag's: see :func:`require_columns`."""
        name = net.inputs[0].name
        return Counted(bag, document, {name: bag.counts(document, dtype=dtype).toarray()}, name)

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """The document in pieces; the number of a token is its column, −1 where it has none of its own."""
        tokens = self.bag.tokens(self.document)
        spelled, at = _pieces(self.document, tokens)
        ids = tuple(self.bag.columns.get(token.text, -1) for token in tokens)
        return (Sentence(self.document, ids, tuple(token.text for token in tokens), tuple(at), spelled),)

    def words(self, e: Mapped, k: int = 0) -> Words:
        """Return the document piece by piece with the relevance of its tokens."""
        return marked(self.bag, self.document, to_numpy(next(iter(e.maps().values())))[k])

    def others(self, e: Mapped, k: int = 0) -> dict[str, float]:
        """Return nothing: all relevance is of words."""
        return {}


@dataclass(frozen=True, eq=False, repr=False)
class ExplainedDocuments:
    """Documents and the relevance of their words.

    Attributes:
        bag: whose words are the columns.
        documents: N texts.
        e: the explanation of their counts, with output, relevance (N, V), target and ledger.
    """

    bag: BagOfWords
    documents: tuple[str, ...]
    e: SparseExplanation

    def __len__(self) -> int:
        return len(self.documents)

    def __repr__(self) -> str:
        return f"ExplainedDocuments({len(self)} documents, {self.bag!r}, {self.e!r})"

    @property
    def output(self) -> NDArray[Any]:
        """The outputs of the network, (N, K)."""
        return self.e.output

    @property
    def relevance(self) -> Any:
        """The relevance of the columns, (N, V) in CSR form with the pattern of the counts."""
        return self.e.relevance

    @property
    def target(self) -> NDArray[Any] | None:
        """The explained outputs, (N, T)."""
        return self.e.target

    @property
    def ledger(self) -> Ledger:
        """Where the relevance of every node went."""
        return self.e.ledger

    def _row(self, k: int) -> Any:
        if not isinstance(k, int | np.integer) or not -len(self) <= k < len(self):
            raise ParameterError(f"there is no document {k}: there are {len(self)}, the first is 0")
        return self.relevance[[int(k) % len(self)]]

    def columns(self, k: int = 0) -> dict[str, Any]:
        """Return the relevance of the words of the vocabulary that are in the k-th document, the largest first."""
        row, words = self._row(k), tuple(self.bag.words)
        order = np.argsort(-row.data, kind="stable")
        return {words[int(row.indices[j])]: row.data[j] for j in order}

    def tokens(self, k: int = 0) -> tuple[tuple[Token, ...], NDArray[Any]]:
        """Return the tokens of the k-th document, and the relevance of each: see :func:`token_relevance`."""
        row = self._row(k).toarray()[0]  # which refuses a document that is not there
        return _marked(self.bag, self.documents[k], row)[:2]

    def words(self, k: int = 0) -> Words:
        """Return the k-th document piece by piece with the relevance of its tokens."""
        row = self._row(k).toarray()[0]
        return marked(self.bag, self.documents[k], row)

    def html(self, k: int = 0, **look: Any) -> str:
        """Return the k-th document in colours, as HTML; ``look`` as of :func:`lrp_ref.heatmap.text_html`."""
        words = self.words(k)
        return heatmap.text_html(words.texts, words.relevance, known=words.known, **look)

    def terminal(self, k: int = 0, **look: Any) -> str:
        """Return the k-th document for a terminal; ``look`` as of :func:`lrp_ref.heatmap.text_terminal`."""
        words = self.words(k)
        return heatmap.text_terminal(words.texts, words.relevance, known=words.known, **look)


def explain(
    net: Network, bag: Any, documents: str | Sequence[str], *, target: Any = None, **options: Any
) -> ExplainedDocuments:
    """Explain the outputs of a network that reads bags of words, down to the words of documents.

    Args:
        net: takes the counts of the words, (N, V).
        bag: a :class:`BagOfWords`, or what :meth:`BagOfWords.of` takes: a vocabulary, a vectorizer, a pipeline that
            begins with one.
        documents: N of them, or one.
        target: the output to explain, as of :func:`lrp_ref.explain`; None for each document's largest.
        options: of :func:`lrp_ref.neuralise.explain_sparse`: composite, start, against, bias.

    Raises:
        ParameterError: a vocabulary of another number of words than the network takes, documents that are no texts.
        LrpError: others, as of :func:`lrp_ref.neuralise.explain_sparse` and :meth:`BagOfWords.of`.

    Source: Arras et al. 2017, "What is relevant in a text document?", PLOS ONE 12(8).

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.array([[1.0, -1.0], [0.5, 2.0]]))])
        >>> found = explain(net, {"hockey": 0, "moon": 1}, "The moon, a full moon.", composite="lrp0")
        >>> print(found.words())
        The moon(+2) , a full moon(+2) .
        >>> found.columns()
        {'moon': np.float64(4.0)}
    """
    made = BagOfWords.of(bag)
    require_columns(net, made)
    given = texts(documents)
    counts = made.counts(given, dtype=net.dtype or np.float64)
    return ExplainedDocuments(made, tuple(given), explain_sparse(net, counts, target=target, **options))


def require_columns(net: Network, bag: BagOfWords) -> None:
    """Refuse a bag of another number of words than the network takes.

    Raises:
        ParameterError: with both numbers.
        UnsupportedError: a network that does not take columns.

    Example:
        >>> from lrp_ref.layers import Dense
        >>> require_columns(Network.sequential([Dense(np.eye(3))]), BagOfWords(["moon"]))
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: the vocabulary has 1 words, the network takes 3: they are not of one model; give
        the vocabulary that the network was trained with
    """
    width = Front.of(net).width
    if width is not None and width != bag.size:
        raise ParameterError(
            f"the vocabulary has {bag.size} words, the network takes {width}: they are not of one model; give the "
            "vocabulary that the network was trained with"
        )
