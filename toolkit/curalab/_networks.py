"""Small networks that learn here: where they run, how they begin, learn and are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from curalab._check import AnyArray, IntArray, complain

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

Weights = dict[str, AnyArray]

_WARM_UP = 0.1  # share of the steps in which the rate rises


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


def generator_of(rng: np.random.Generator) -> torch.Generator:
    """Return torch's generator with a seed drawn from `rng`; the global one is left alone."""
    import torch

    return torch.Generator().manual_seed(int(rng.integers(2**31)))


def begun(build: Callable[[], torch.nn.Module], seed: torch.Generator) -> Any:
    """Return a network with random weights (He et al. 2015) and biases of 0."""
    import torch

    with torch.device("meta"):  # else torch draws weights from its global generator
        network = build()
    network.to_empty(device="cpu")
    for part in network.modules():
        if isinstance(part, torch.nn.Linear | torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=seed)
            if part.bias is not None:
                torch.nn.init.zeros_(part.bias)
        elif isinstance(part, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d | torch.nn.LayerNorm):
            part.reset_parameters()
    return network


def layers(*sizes: int) -> torch.nn.Sequential:
    """Return linear layers of these sizes, with ReLU between them."""
    import torch

    parts: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        parts += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def shuffled(n: int, size: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """Yield batches of `size` rows of `n`, or of all where there are fewer, pass after pass."""
    size = min(size, n)
    while True:
        order = rng.permutation(n)
        for start in range(0, n - size + 1, size):
            yield order[start : start + size]


def train(
    networks: list[torch.nn.Module],
    loss_of: Callable[[IntArray], torch.Tensor],
    batches: Iterator[IntArray],
    n_steps: int,
    *,
    rate: float,
    name: str,
) -> None:
    """Take `n_steps` steps of AdamW; the rate rises for a tenth of them, then falls to nothing."""
    import torch
    from tqdm.auto import tqdm

    weights = [weight for network in networks for weight in network.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=rate, weight_decay=1e-2)
    rising = max(1, round(_WARM_UP * n_steps))

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return (1 + math.cos(math.pi * (step - rising) / max(1, n_steps - rising))) / 2

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
    steps = islice(batches, n_steps)
    for rows in tqdm(steps, desc=f"fit {name}", total=n_steps, delay=2, disable=None):
        optimiser.zero_grad()
        loss_of(rows).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


def weights_of(network: torch.nn.Module) -> Weights:
    """Return what a network has learned as arrays, which can be hashed and kept."""
    return {name: part.cpu().numpy() for name, part in network.state_dict().items()}


def loaded(build: Callable[[], torch.nn.Module], weights: Weights, device: torch.device) -> Any:
    """Return the network with these weights, ready to encode."""
    import torch

    with torch.device("meta"):
        network = build()
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    network.load_state_dict(tensors, assign=True)
    return network.to(device).eval()
