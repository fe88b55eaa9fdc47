"""Text: sentences to the integers that a network looks up, and their relevance back to words.

    tokenizer = lrp.text.load_tokenizer("tokenizer.json")
    fed = lrp.text.feed(net, tokenizer, "not good")
    e = lrp.explain(net, fed.x, target=1)
    print(fed.words(e))

The tokenizers package is imported when a tokenizer.json is read, and not before.
"""

from .documents import Components, document_vectors, principal_components
from .feeding import Fed, feed, require_fit, sizes
from .sentence import Sentence, Words, words
from .subwords import Subwords
from .tokenizer import Tokenizer, find_tokenizer, load_tokenizer
from .vocabulary import Vocabulary

__all__ = [
    "Components",
    "Fed",
    "Sentence",
    "Subwords",
    "Tokenizer",
    "Vocabulary",
    "Words",
    "document_vectors",
    "feed",
    "find_tokenizer",
    "load_tokenizer",
    "principal_components",
    "require_fit",
    "sizes",
    "words",
]
