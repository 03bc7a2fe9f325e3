"""How the picks of selectors are judged: what they see, and what is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curalab._check import check_choice, check_real, complain
from curalab.leaderboard._models import MODELS

__all__ = ["PROTOCOLS", "Protocol", "check_protocol"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What selectors see, and what is trained on their picks.

    Parameters
    ----------
    labels : {"picked", "all"}, default="picked"
        "picked": only the labels of rows picked so far are visible, and each budget adds to the
        one before. "all": all labels are visible, and each budget is picked from the whole pool.
    models : sequence of {"linear", "mlp", "knn"}, default=("linear",)
        What is trained on the picks, always in the same way: a linear head of fixed penalty, a
        network of one hidden layer (256 units), the five nearest picks. The first one ranks; the
        accuracy of each other one is a column of its own.
    passes : float, default=None
        The training budget: rows seen in training, as passes over the whole pool, the same for
        every selection. What is smaller is seen more often. None trains the linear head until it
        no longer gains, and the network for 30 passes over the picks, 300 steps at least.

    Examples
    --------
    >>> import curalab as cl
    >>> cl.Protocol(labels="all", models=("mlp", "linear"))
    Protocol(labels='all', models=('mlp', 'linear'), passes=None)
    """

    labels: str = "picked"
    models: Sequence[str] = ("linear",)
    passes: float | None = None

    def __post_init__(self) -> None:
        check_choice("labels", self.labels, ["picked", "all"])
        if isinstance(self.models, str) or not len(self.models):
            rule = "one or more of " + ", ".join(map(repr, MODELS))
            raise TypeError(complain("models", rule, self.models))
        for model in self.models:
            check_choice("models", model, list(MODELS))
        object.__setattr__(self, "models", tuple(dict.fromkeys(self.models)))
        if self.passes is not None:
            check_real("passes", self.passes, low=0.01, high=10_000)


PROTOCOLS = {
    "label": Protocol(),
    "keep": Protocol(labels="all"),
    "select": Protocol(labels="all", models=("linear", "mlp", "knn")),
    "datacomp": Protocol(labels="all", models=("linear", "mlp"), passes=1),
}


def check_protocol(protocol: Any) -> Protocol:
    """Return the protocol of that name, or the one given."""
    if isinstance(protocol, Protocol):
        return protocol
    check_choice("protocol", protocol, list(PROTOCOLS), hint="Or pass a Protocol(…).")
    return PROTOCOLS[protocol]
