"""What other programs compute under the names of the methods, as parameters of the methods here."""

from __future__ import annotations

from .method import Method
from .rescale import DeepLift

DIALECTS: dict[str, dict[str, Method]] = {
    "captum-0.9": {
        "deeplift": DeepLift(stacked="derivative"),
    },
}
