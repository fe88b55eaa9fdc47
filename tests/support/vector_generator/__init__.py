"""The generator of the conformance vectors: literal formulas on exact rationals, nothing of the fast code.

``PYTHONPATH=tests/support python -m vector_generator DIR``, from the project's root, writes the case files and
manifest.json of lrp-vectors into DIR.
"""

from .write import generate

__all__ = ["generate"]
