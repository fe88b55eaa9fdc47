"""Pages: one explanation as a self-contained HTML file, and the interactive pieces that it is made of."""

from .neurons import Neuron, Prediction, neuron

__all__ = ["Neuron", "Prediction", "neuron"]
