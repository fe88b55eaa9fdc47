"""What other programs compute under the names of rules: switches, and the named sets of them that are dialects."""

from .sets import DIALECTS, Dialect, dialect
from .switches import SWITCHES, Switch

__all__ = ["DIALECTS", "SWITCHES", "Dialect", "Switch", "dialect"]
