"""What the encoders that are trained here share: how a network begins, learns and is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from curalab._check import AnyArray, FloatArray, IntArray
from curalab.encoders.columns import Columns

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

Weights = dict[str, AnyArray]

_SMALL = 0.1
_FAR = 4.0  # standard deviations
_WARM_UP = 0.1  # share of the steps in which the rate rises


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


def table_encoder(sizes: tuple[int, ...], seed: torch.Generator) -> torch.nn.Sequential:
    """Return layers of which the last begins small.

    Random directions of the usual size would outlast the training and blur the distances.
    """
    import torch

    network: torch.nn.Sequential = begun(lambda: layers(*sizes), seed)
    with torch.no_grad():
        list(network.parameters())[-2].mul_(_SMALL)
    return network


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


# ---- tables --------------------------------------------------------------------------------------


def rows_in(columns: Columns, data: pd.DataFrame) -> FloatArray:
    """Return what a network sees of a table: no rare value is so far out that it decides alone."""
    return columns.encode(data).clip(-_FAR, _FAR)


@dataclass(frozen=True, eq=False)
class TableNetwork:
    """What an encoder of tables has learned: the columns, the network, the spread of its output."""

    columns: Columns
    sizes: tuple[int, ...]
    weights: Weights
    centre: FloatArray | None = None
    scale: float = 1.0

    def encode(self, data: pd.DataFrame, device: torch.device) -> FloatArray:
        """Return vectors of mean 0 and mean variance 1 for rows of the table."""
        import torch

        x = rows_in(self.columns, data)
        network = loaded(lambda: layers(*self.sizes), self.weights, device)
        with torch.inference_mode():
            made = network(torch.from_numpy(x).to(device)).cpu().numpy()
        return np.asarray(made if self.centre is None else (made - self.centre) / self.scale)

    def scaled(self, data: pd.DataFrame, device: torch.device) -> TableNetwork:
        """Return it with the mean and the spread of its output over the rows of the fit."""
        made = self.encode(data, device)
        scale = float(np.sqrt(made.var(axis=0).mean()))
        return replace(self, centre=made.mean(axis=0), scale=scale if scale > 1e-6 else 1.0)
