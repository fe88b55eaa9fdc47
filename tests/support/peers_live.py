"""Which other programs are installed beside the tests."""

from __future__ import annotations

import pytest

from lrp_ref.peers import PeerError, find
from lrp_ref.peers.installed import require


def available(peer: str) -> bool:
    """Return whether a program can be run in this interpreter."""
    try:
        require(find(peer))
    except PeerError:
        return False
    return True


zennit_only = pytest.mark.skipif(not available("zennit"), reason="zennit is not installed")
captum_only = pytest.mark.skipif(not available("captum"), reason="Captum is not installed")
