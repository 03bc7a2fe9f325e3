"""Where torch computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curalab._check import complain

if TYPE_CHECKING:
    import torch

__all__: list[str] = []


def pick_device(device: str) -> torch.device:
    """Return the device that a setting names; "auto" is CUDA where there is some, else the CPU."""
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:  # torch raises any of these
        rule = "'auto' or a device that torch has here, such as 'cpu'"
        raise ValueError(complain("device", rule, device)) from error
    return torch.device(device)
