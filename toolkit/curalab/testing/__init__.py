"""Does a method keep its promises? Checks for methods and encoders that anyone writes."""

from __future__ import annotations

from curalab.testing._encoder import check_encoder
from curalab.testing._method import check_method

__all__ = ["check_encoder", "check_method"]
