"""What the steps of a curation are measured with."""

from __future__ import annotations

from typing import Any, NamedTuple

from curalab._check import complain
from curalab.effect import Effect
from curalab.effect._steps import effect_by_step

__all__ = ["Source"]


class Source(NamedTuple):
    """Source table, decisions, sealed test rows and vectors, each None where it is not given."""

    items: Any
    ledger: Any
    test: Any
    embedding: Any
    labels: str

    @property
    def lacking(self) -> list[str]:
        """What is not given; with nothing lacking the steps can be measured."""
        return [name for name, value in self._asdict().items() if value is None]

    def check(self) -> None:
        """Refuse to go on where something is lacking."""
        for name in self.lacking:
            hint = "Or give 'effects', measured elsewhere."
            raise ValueError(complain(name, "given, to measure the steps", None, hint))

    def check_made_of(self, name: str, effect: Effect) -> None:
        """Refuse an effect that was measured with other vectors than those given."""
        own, made = self.embedding, effect.params.get("vectors", {}).get("embedding")
        if own is not None and made not in (None, own.fingerprint):
            what = f"{name!r} of the embedding {made[:8]}, not of {own.fingerprint[:8]}"
            raise ValueError(complain("effects", "of the embedding given", what=what))

    def measure(self, n_seeds: int, random_state: int | None) -> dict[str, Effect]:
        """Return the effect of each step of the ledger as it is now."""
        given, how = self._asdict(), {"n_seeds": n_seeds, "random_state": random_state}
        return effect_by_step(**given, **how)  # type: ignore[arg-type]
