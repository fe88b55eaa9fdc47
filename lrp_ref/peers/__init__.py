"""Other programs that compute LRP: run on the same weights, compared layer by layer, their differences named."""

from .foreign import trace_from_npz
from .peer import PEERS, Peer, find
from .task import NoRule, PeerError, Recording, Task

__all__ = ["PEERS", "NoRule", "Peer", "PeerError", "Recording", "Task", "find", "trace_from_npz"]
