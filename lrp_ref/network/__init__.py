"""Networks: named nodes in execution order, what they take, and what canonizing makes of them."""

from .inputs import Input
from .network import Network, Node

__all__ = ["Input", "Network", "Node"]
