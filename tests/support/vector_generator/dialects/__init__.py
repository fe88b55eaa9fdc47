"""What wrong or differing programs compute, each as a literal formula: the flags in ``catches`` come from here.

=============  ========================================================
``rules``      rules that public programs compute otherwise
``faults``     faults that any program may have on a linear layer
``layers``     faults of pools, merges, routes, BatchNorm
``products``   products, of numbers and of matrices, softmax and norms
``sequences``  recurrent layers and selective scans
=============  ========================================================
"""

from . import faults, layers, products, rules, sequences
from .base import DIALECTS, NONFINITE, SINCE, Call, Seen, caught, differs, nonfinite, visible

__all__ = [
    "DIALECTS", "NONFINITE", "SINCE", "Call", "Seen", "caught", "differs", "faults", "layers", "nonfinite", "products",
    "rules", "sequences", "visible",
]  # fmt: skip
