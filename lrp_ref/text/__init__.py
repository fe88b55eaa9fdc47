"""Text: sentences to the integers that a network looks up, and their relevance back to words.

    tokenizer = lrp.text.load_tokenizer("tokenizer.json")
    fed = lrp.text.feed(net, tokenizer, "not good")
    e = lrp.explain(net, fed.x, target=1)
    print(fed.words(e))

A network that reads bags of words takes their counts:

    bag = lrp.text.BagOfWords.of("model.skops")
    found = lrp.text.explain(net, bag, documents, target=1)
    print(found.words(0))

The tokenizers package is imported when a tokenizer.json is read, and not before.
"""

from .bag import BagOfWords, Token, find_bag
from .documents import Components, document_vectors, principal_components
from .feeding import Fed, feed, require_fit, sizes
from .marking import Counted, ExplainedDocuments, explain, marked, require_columns, token_relevance
from .sentence import Sentence, Words, words
from .subwords import Subwords
from .tokenizer import Tokenizer, find_tokenizer, load_tokenizer
from .vocabulary import Vocabulary

__all__ = [
    "BagOfWords",
    "Components",
    "Counted",
    "ExplainedDocuments",
    "Fed",
    "Sentence",
    "Subwords",
    "Token",
    "Tokenizer",
    "Vocabulary",
    "Words",
    "document_vectors",
    "explain",
    "feed",
    "find_bag",
    "find_tokenizer",
    "load_tokenizer",
    "marked",
    "principal_components",
    "require_columns",
    "require_fit",
    "sizes",
    "token_relevance",
    "words",
]
