"""Which group to collect next, and which share to keep: what the fitted curves are worth."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
SHARES = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
SMALL = (400, 800, 1_600, 3_200, 6_400)
LARGE = (12_800, 25_600, 51_200)


def half_width(values):
    """Return half the 95 % interval of a mean."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan
    return float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))


# ---- groups --------------------------------------------------------------------------------------


def bench_groups(quick):
    """Error after collecting for a budget, by how the budget is shared among four groups.

    Drawn worlds: error of a group a + b n^-c with a from 0 to .15, b from .5 to 4, c from .3 to .8,
    costs from 1 to 4, 30 to 1,000 rows at first; errors are measured on 500 test rows at four n.
    The budget (5,000) is spent in four rounds, measured again after each. "optimal" knows the true
    curves. `over_equal` is paired; negative is better. ± are half 95 % intervals over worlds.
    """
    found = [row for seed in range(20 if quick else 100) for row in world(seed)]
    frame = pd.DataFrame(found, columns=["seed", "objective", "way", "error"])
    wide = frame.pivot_table(index=["objective", "seed"], columns="way", values="error")
    return [
        {
            "objective": objective,
            "way": way,
            "error": part[way].mean(),
            "over_equal": (part[way] - part["equal"]).mean(),
            "±": half_width(part[way] - part["equal"]),
        }
        for objective, part in wide.groupby("objective")
        for way in ("optimal", "adaptive", "equal", "proportional")
    ]


def world(seed, budget=5_000, rounds=4):
    """Return the true error of each way to spend the budget in one drawn world."""
    from curalab.selectors._allocation import group_allocation

    rng = np.random.default_rng(seed)
    a, b, c = rng.uniform(0, 0.15, 4), rng.uniform(0.5, 4, 4), rng.uniform(0.3, 0.8, 4)
    cost, start = rng.uniform(1, 4, 4), np.exp(rng.uniform(np.log(30), np.log(1_000), 4))
    start = start.astype(int)

    def error(n):
        return np.clip(a + b * np.asarray(n, dtype=float) ** -c, 0, 0.9)

    def curves(n, measured):
        rows = []
        for group, most in enumerate(n):
            for part in measured:
                size = max(int(part * most), 1)
                seen = [error(np.full(4, size))[group]]
                seen = rng.binomial(500, seen) / 500 if noisy else seen
                rows.append((group, size, float(seen[0])))
        return pd.DataFrame(rows, columns=["group", "n", "error"])

    for objective, value in (("mean", np.mean), ("worst", np.max)):
        ways = {
            "equal": start + budget / cost.sum(),
            "proportional": start * (1 + budget / (cost @ start)),
        }
        for way in ("adaptive", "optimal"):
            noisy, n = way == "adaptive", start.copy()
            known = []
            for _ in range(rounds if noisy else 1):
                parts = (0.125, 0.25, 0.5, 1) if noisy else (1, 2, 4, 8, 16, 32)
                known.append(curves(n, parts))
                told = group_allocation(
                    pd.concat(known),
                    budget / (rounds if noisy else 1),
                    costs=dict(enumerate(cost)),
                    have=dict(enumerate(n)),
                    objective=objective,
                )
                n = n + told.groups["next"].to_numpy()
            ways[way] = n
        for way, n in ways.items():
            yield seed, objective, way, float(value(error(n)))


# ---- shares --------------------------------------------------------------------------------------


def bench_shares(quick):
    """Share to keep at budgets of 12,800 to 51,200 rows seen, told by runs of up to 6,400.

    6,300 labelled rows of banking77 (MiniLM vectors); labels are made wrong with a chance of up to
    .72 that falls with the quality. `off` is the mean distance of predicted from measured error
    over shares, `off_last` that of the last measured error. `regret` is the error of the share that
    the law picks over the best share's, `regret_winner` of the share that won at 6,400, and
    `regret_<share>` of a fixed share. ± is half a 95 % interval over draws.
    """
    loaded = vectors()
    if loaded is None:
        return [{"budget": f"no benchmark data in {DATA}"}]
    rows = [row for seed in range(2 if quick else 5) for row in draw(*loaded, seed)]
    frame = pd.DataFrame(rows)
    found = []
    for budget, part in frame.groupby("budget"):
        means = part.drop(columns="budget").mean().to_dict()
        gap = half_width(part["regret"] - part["regret_winner"])
        found.append({"budget": budget, **means, "±(law - winner)": gap})
    return found


def vectors():
    """Return the vectors and labels of banking77, None without the data."""
    import curalab as cl

    file = DATA / "banking77" / "train.parquet"
    if not file.is_file():
        return None
    table = pd.read_parquet(file)
    return np.asarray(cl.embed(table["text"], encoder="minilm").vectors), table["label"].to_numpy()


def draw(x, labels, seed):
    """Return, for each large budget, how far the law is off and what its pick costs."""
    import curalab as cl
    from curalab.selectors._frontier import budget_frontier

    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(x))[:9_000]
    x, truth = np.asarray(x)[rows], pd.factorize(labels[rows], sort=True)[0]
    quality = rng.random(len(x))
    wrong = rng.random(len(x)) < 0.72 * (1 - quality)
    given = np.where(wrong, rng.integers(0, truth.max() + 1, len(x)), truth)
    pool = cl.Pool(embedding=cl.Embedding(vectors=x[:6_300]), labels=given[:6_300])
    test = cl.Pool(embedding=cl.Embedding(vectors=x[6_300:]), labels=truth[6_300:])
    settings = {"score": quality[:6_300], "budgets": LARGE, "shares": SHARES, "n_seeds": 2}
    told = budget_frontier(pool, test, measured=SMALL, random_state=seed, **settings).frame
    run = budget_frontier(pool, test, measured=LARGE, random_state=seed + 99, **settings).frame
    predicted = told.pivot(index="budget", columns="share", values="predicted")
    small = told.pivot(index="budget", columns="share", values="error").loc[SMALL[-1]]
    real = run.pivot(index="budget", columns="share", values="error")
    for budget in LARGE:
        true = real.loc[budget]
        yield {
            "budget": budget,
            "off": (predicted.loc[budget] - true).abs().mean(),
            "off_last": (small - true).abs().mean(),
            "regret": true[predicted.loc[budget].idxmin()] - true.min(),
            "regret_winner": true[small.idxmin()] - true.min(),
            **{f"regret_{share:g}": true[share] - true.min() for share in (0.1, 1.0)},
        }
