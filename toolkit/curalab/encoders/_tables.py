"""What the encoders of tables that are trained here share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from curalab._check import FloatArray
from curalab._networks import Weights, begun, layers, loaded
from curalab.encoders.columns import Columns

if TYPE_CHECKING:
    import torch

__all__: list[str] = []

_SMALL = 0.1
_FAR = 4.0  # standard deviations


def table_encoder(sizes: tuple[int, ...], seed: torch.Generator) -> torch.nn.Sequential:
    """Return layers of which the last begins small.

    Random directions of the usual size would outlast the training and blur the distances.
    """
    import torch

    network: torch.nn.Sequential = begun(lambda: layers(*sizes), seed)
    with torch.no_grad():
        list(network.parameters())[-2].mul_(_SMALL)
    return network


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
