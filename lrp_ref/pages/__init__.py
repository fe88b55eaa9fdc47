"""Pages: one explanation as a self-contained HTML file, and the interactive pieces that it is made of."""

from .inspecting import inspector
from .neurons import Neuron, Prediction, neuron
from .taylors import Expansion, taylor

__all__ = ["Expansion", "Neuron", "Prediction", "inspector", "neuron", "taylor"]
