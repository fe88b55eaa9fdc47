"""BiLRP: which pairs of input features, one of each of two inputs, make a network find them similar.

s(x, y) = ⟨φ(x), φ(y)⟩ = Σ_m φ_m(x) φ_m(y), and R_ij = Σ_m R_i^m(x) R_j^m(y): each unit m of both embeddings is
explained by LRP, all of them in one walk, and a pair's relevance is the product of the two, summed over the units.
"""

from .explaining import MEMORY, explain_pair
from .features import Features
from .pair_explanation import PairAccount, PairExplanation, Side, load_pairs

__all__ = ["MEMORY", "Features", "PairAccount", "PairExplanation", "Side", "explain_pair", "load_pairs"]
