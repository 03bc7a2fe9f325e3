"""Health of an embedding: hand-computed cases, planted trouble, and what must not matter."""

import re

import numpy as np
import pytest

from curalab import Embedding
from curalab.encoders import health
from curalab.results import StageResult

FEW = "The 'embedding' parameter must be of at least 5 rows. Got {} instead."
MEASURES = [
    health.spread,
    health.local_dimension,
    health.separability,
    health.hubness,
    health.repeats,
    health.report,
]


def flat(vectors):
    return Embedding(vectors=np.asarray(vectors, dtype=float), metric="euclidean")


def cloud(n=600, d=16, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def rotation(d, seed=1):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def blobs(k, n=600, d=8, seed=0):
    centres = 30 * np.eye(d)[:k] if k > 1 else np.zeros((1, d))
    return cloud(n, d, seed) + centres[np.arange(n) % k]


# ---- spread --------------------------------------------------------------------------------------


def test_eigenvalue_spread_by_hand():
    # Variances 100, 4 and 1 on three axes: cumulative shares 100/105, 104/105 and 1.
    x = np.concatenate([np.diag([10, 2, 1]), -np.diag([10, 2, 1])])
    found = health.spread(flat(x))
    assert found.shares == pytest.approx([100 / 105, 4 / 105, 1 / 105])
    # EEE = (100/105 - 1/3) + (104/105 - 2/3) = 99/105; six rows of an even space show this much:
    zeros = np.sort(np.roots([1, -15, 60, -60]))[::-1]  # of the Laguerre polynomial L(3), alpha 2
    even = zeros / zeros.sum()
    eee = even[0] - 1 / 3 + even[:2].sum() - 2 / 3
    assert found.eigenvalue == pytest.approx((6 / 105) / (1 - eee))


@pytest.mark.parametrize(("n", "d"), [(600, 2), (600, 16), (600, 300), (200, 500)])
def test_an_even_space_is_used_whatever_its_dimensions(n, d):
    found = health.spread(flat(cloud(n, d)))
    assert found.eigenvalue > 0.95
    assert found.entropy > 0.93


@pytest.mark.parametrize("d", [2, 16, 300])
def test_a_line_uses_nothing(d):
    line = np.outer(cloud(400, 1)[:, 0], rotation(d)[0])
    found = health.spread(flat(line + 1e-4 * cloud(400, d, seed=2)))
    assert found.eigenvalue < 0.01
    assert found.entropy < (0.1 if d == 2 else 0.02)


def test_spread_compares_between_dimensions():
    """Half of the directions used alike reads the same in 20 and in 200 dimensions."""
    found = [
        health.spread(flat(np.c_[cloud(2000, d // 2), 1e-3 * cloud(2000, d // 2, seed=1)]))
        for d in (20, 200)
    ]
    assert found[0].eigenvalue == pytest.approx(found[1].eigenvalue, abs=0.05)
    assert found[0].eigenvalue == pytest.approx(0.5, abs=0.05)


def test_mean_cosine_would_be_misled():
    """A common offset makes all cosines alike; the cloud around it is as wide as before."""
    x = cloud(600, 16)
    assert health.spread(flat(x + 50)).eigenvalue == pytest.approx(
        health.spread(flat(x)).eigenvalue, abs=1e-4
    )


def test_entropy_sees_lumps_that_variance_does_not():
    scales = np.array([1.5, 1.2, 1])
    found = health.spread(flat(scales * (np.sign(cloud(600, 3)) + 0.01 * cloud(600, 3, seed=1))))
    normal = health.spread(flat(scales * cloud(600, 3)))
    assert found.eigenvalue == pytest.approx(normal.eigenvalue, abs=0.05)
    assert found.entropy < 0.1 < 0.8 < normal.entropy


def test_one_column_and_no_variance():
    found = health.spread(flat(cloud(50, 1)))
    assert (found.eigenvalue, found.shares.tolist()) == (1.0, [1.0])
    same = health.spread(flat(np.ones((50, 4))))
    assert (same.eigenvalue, same.entropy, same.n_rows) == (0.0, 0.0, 1)
    assert repr(same) == "Spread(eigenvalue=0.000, entropy=0.000)"


# ---- local dimension -----------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_the_dimension_of_a_cloud_is_recovered(d):
    inside = cloud(1500, d) @ rotation(40)[:d]
    found = health.local_dimension(flat(inside))
    assert found.mean == pytest.approx(d, rel=0.15)


def test_local_dimension_by_hand():
    # Neighbours of the middle row at distances 1, 2, 4, 8: m = 7/3, w = 8, three inner ones.
    # exp(digamma(3)) / 3 with digamma(3) = 1 + 1/2 - gamma removes the logarithm's bias.
    x = np.array([[0.0], [1.0], [-2.0], [4.0], [-8.0]])
    found = health.local_dimension(flat(x), k=4)
    expected = (7 / 3) / (8 - 7 / 3) * np.exp(1.5 - np.euler_gamma) / 3
    assert found.dimension[0] == pytest.approx(expected, rel=1e-6)
    assert found.mean == pytest.approx(np.exp(np.log(found.dimension).mean()))


def test_under_cosine_the_chord_counts():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 800)
    circle = np.c_[np.cos(angle), np.sin(angle), np.zeros((800, 5))]
    assert health.local_dimension(Embedding(vectors=circle)).mean == pytest.approx(1, rel=0.1)


def test_a_region_that_collapsed_is_found():
    x = cloud(900, 8) @ rotation(20)[:8]
    line = np.outer(np.linspace(0, 1, 100), rotation(20)[9]) + 6 * rotation(20)[10]
    found = health.local_dimension(flat(np.r_[x, line]))
    assert found.is_collapsed[900:].all()
    assert found.is_collapsed[:900].sum() <= 2
    assert health.spread(flat(np.r_[x, line])).eigenvalue > 0.25  # as a whole it looks well
    assert set(found.collapsed) == set(np.flatnonzero(found.is_collapsed))


def test_nothing_is_flagged_in_a_cloud():
    for d in (2, 10, 50):
        assert not health.local_dimension(flat(cloud(800, d))).is_collapsed.any()


def test_copies_do_not_pass_for_a_low_dimension():
    x = cloud(500, 6)
    alone = health.local_dimension(flat(x)).mean
    pairs = health.local_dimension(flat(np.r_[x, x[:200]]))
    assert np.isfinite(pairs.dimension).all()
    assert pairs.mean == pytest.approx(alone, rel=0.05)
    assert not pairs.is_collapsed.any()


def test_rows_among_nothing_but_copies_are_collapsed():
    x = np.r_[cloud(200, 6), np.full((40, 6), 30.0)]
    found = health.local_dimension(flat(x))
    assert np.isnan(found.dimension[200:]).all()
    assert found.is_collapsed[200:].all()
    assert found.mean == pytest.approx(health.local_dimension(flat(x[:200])).mean, rel=0.02)
    none = health.local_dimension(flat(np.ones((30, 3))))
    assert none.mean == 0.0
    assert none.is_collapsed.all()


def test_equal_distances_are_no_dimension_and_no_collapse():
    found = health.local_dimension(flat(np.eye(30)))
    assert np.isnan(found.dimension).all()
    assert not found.is_collapsed.any()


def test_local_dimension_is_a_result(tmp_path):
    made = health.local_dimension(Embedding(vectors=cloud(30, 4), ids=[f"i{n}" for n in range(30)]))
    assert list(made.to_frame()) == ["local_dimension", "is_collapsed"]
    made.save(tmp_path / "local")
    again = StageResult.open(tmp_path / "local")
    assert again.mean == made.mean
    assert again.ids.tolist() == made.ids.tolist()
    assert re.fullmatch(
        r"LocalDimension\(30 items, \d\.\d dimensions, 0 items in low regions\)", repr(made)
    )


# ---- separability --------------------------------------------------------------------------------


def test_persistence_by_hand():
    # On a line the tree's edges are the gaps: 1, 2, 10, 4 and, for the copy of a row, none.
    found = health.separability(flat([[0.0], [1.0], [3.0], [13.0], [17.0], [17.0]]))
    assert found.persistence.tolist() == pytest.approx([1.0, 0.4, 0.2, 0.1])
    assert found.contrast == pytest.approx(0.7)
    assert (found.n_rows, found.is_sampled) == (5, False)


def test_the_tree_is_the_shortest():
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import pdist, squareform

    x = np.asarray(cloud(200, 5), dtype=np.float32)
    edges = np.sort(minimum_spanning_tree(squareform(pdist(x.astype(float)))).data)[::-1]
    found = health.separability(flat(x))
    assert found.persistence == pytest.approx(edges / edges[0], rel=1e-5)


@pytest.mark.parametrize("d", [3, 8, 40])
def test_a_cloud_has_no_structure(d):
    for metric in ("euclidean", "cosine"):
        made = Embedding(vectors=cloud(800, d), metric=metric)
        assert abs(health.separability(made, random_state=0).structure) < 0.25


def test_blobs_are_more_separable_than_one():
    one, three, six = (health.separability(flat(blobs(k)), random_state=0) for k in (1, 3, 6))
    assert one.structure < 0.2 < 2 < three.structure < six.structure
    assert one.contrast < 0.7 < 0.9 < three.contrast
    assert three.persistence[2] < 0.3 < three.persistence[1]  # two long edges join three blobs


def test_structure_compares_between_dimensions_where_contrast_does_not():
    """Blobs in 40 dimensions against a cloud in 2: persistence alone prefers the cloud."""
    near = cloud(600, 40) + 8 * np.eye(40)[np.arange(600) % 6]
    many = health.separability(flat(near), random_state=0)
    few = health.separability(flat(cloud(600, 2)), random_state=0)
    assert many.contrast < few.contrast
    assert many.structure > few.structure + 0.5


def test_more_than_5000_rows_are_sampled():
    x = cloud(6_000, 2)
    found = health.separability(flat(x), random_state=0)
    assert found.is_sampled
    assert found.n_rows == 5_000
    assert repr(found).endswith("5,000 drawn rows)")
    again = health.separability(flat(x), random_state=0)
    assert again.structure == found.structure
    assert (again.persistence == found.persistence).all()


def test_all_rows_the_same():
    found = health.separability(flat(np.ones((20, 3))))
    assert (found.structure, found.contrast, len(found.persistence)) == (0.0, 0.0, 0)


# ---- hubs and repeats ----------------------------------------------------------------------------


def test_hubness_by_hand():
    # Row 0 is nearest to all others, and row 1 to row 0: occurrences 4, 1, 0, 0, 0.
    x = np.array([[0, 0], [1.0, 0], [-1.1, 0], [0, 1.2], [0, -1.3]])
    found = health.hubness(flat(x), k=1)
    assert found.occurrence.tolist() == [4, 1, 0, 0, 0]
    assert found.antihub_share == 0.6
    gap = np.array([3, 0, -1, -1, -1])
    assert found.skewness == pytest.approx((gap**3).mean() / (gap**2).mean() ** 1.5)
    assert found.top(1).tolist() == [0]
    assert list(found.to_frame()) == ["neighbor_occurrence"]


def test_noise_in_many_dimensions_has_hubs():
    assert health.hubness(flat(cloud(600, 3))).skewness < 0.6
    assert health.hubness(flat(cloud(600, 100))).skewness > 2


def test_repeats():
    x = cloud(40, 3)
    x[[5, 9]] = x[2]
    x[7] = 4.0
    x[:, 1] = 4.0
    x[0, 0], x[1, 0] = 0.0, -0.0
    x[1, 2] = x[0, 2]
    found = health.repeats(flat(x))
    assert np.flatnonzero(found.is_copy).tolist() == [1, 5, 9]
    assert np.flatnonzero(found.is_constant).tolist() == [7]
    assert found.constant_columns == (1,)
    assert found.summary == "3 copies, 1 constant rows, 1 constant columns"
    assert not health.repeats(flat(cloud(9, 1))).is_constant.any()


# ---- the report ----------------------------------------------------------------------------------


def verdicts(x):
    found = health.report(x if isinstance(x, Embedding) else flat(x), random_state=0)
    frame = found.to_frame()
    assert list(frame) == ["value", "usual", "verdict", "advice"]
    assert np.isfinite(frame["value"]).all()
    assert ((frame["verdict"] == "ok") == (frame["advice"] == "")).all()
    return frame["verdict"]


def test_a_good_embedding_is_ok():
    rng = np.random.default_rng(0)
    good = 8 * cloud(12, 10)[rng.integers(12, size=800)] + 3 * cloud(800, 10, seed=1)
    assert (verdicts(good) == "ok").all()
    assert health.report(flat(good)).verdict == "ok"


def test_collapsed_embeddings_are_flagged():
    line = np.outer(cloud(300, 1)[:, 0], np.ones(16)) + 1e-4 * cloud(300, 16)
    assert (verdicts(line)[["spread", "spread by entropy", "separability"]] == "bad").all()
    assert (verdicts(np.ones((50, 4)))[["spread", "local dimension", "copies"]] == "bad").all()
    assert verdicts(cloud(300, 30))["separability"] == "bad"  # noise


@pytest.mark.parametrize(
    ("finding", "spoil"),
    [
        ("copies", lambda x: x[np.arange(300) % 200]),
        ("constant columns", lambda x: np.c_[x, np.ones(300)]),
        ("constant rows", lambda x: np.where(np.arange(300)[:, None] < 20, 0, x)),
        ("rows in low regions", lambda x: np.where(np.arange(300)[:, None] < 40, 0, x)),
        ("hubness", lambda x: np.c_[x, cloud(300, 300, seed=3)]),
    ],
)
def test_each_finding_says_what_to_do(finding, spoil):
    x = blobs(4, 300)
    assert verdicts(x)[finding] == "ok"
    assert verdicts(spoil(x))[finding] in ("look", "bad")


def test_few_columns_are_not_held_against_a_map():
    assert verdicts(blobs(2, 300, 2))["local dimension"] == "ok"
    found = health.report(flat(blobs(2, 300, 2))).findings
    assert found.loc["local dimension", "usual"] == "0.6 to 30"


def test_the_report_shows_and_leads_on():
    made = health.report(flat(cloud(60, 3)), random_state=4)
    assert re.fullmatch(r"Health\((\d bad, )?(\d look, )?\d+ ok\)", repr(made))
    assert "<table" in made._repr_html_()
    assert (
        "<script>"
        not in health.Health(
            findings=made.findings.assign(advice="<script>"), results={}, params={}
        )._repr_html_()
    )
    assert made.params["random_state"] == 4
    assert made["local_dimension"].dimension.shape == (60,)
    with pytest.raises(ValueError) as caught:
        made["hubs"]
    assert str(caught.value) == (
        "The 'name' parameter must be one of 'spread', 'local_dimension', 'separability', "
        "'hubness', 'repeats'. Got 'hubs' instead. Did you mean 'hubness'?"
    )
    frame = made.to_frame()
    frame["value"] = 0.0
    assert made.findings["value"].any()


# ---- what must not matter, and bad input ---------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_rotation_scale_and_order_change_nothing(metric):
    x = blobs(3, 300) + 1
    order = np.random.default_rng(5).permutation(300)
    before = health.report(Embedding(vectors=x, metric=metric), random_state=0).findings["value"]
    for changed in (x @ rotation(8), 1000 * x, x / 1000, x[order]):
        made = Embedding(vectors=changed, metric=metric)
        after = health.report(made, random_state=0).findings["value"]
        # The cloud that the tree is compared with is another draw in rotated axes.
        assert after.to_numpy() == pytest.approx(before.to_numpy(), rel=0.02, abs=0.02)


def test_the_input_stays_as_it_was():
    x = np.asarray(blobs(2, 100), dtype=np.float32)
    before = x.copy()
    health.report(flat(x), random_state=0)
    assert (x == before).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_bad_input(measure):
    with pytest.raises(ValueError) as caught:
        measure(np.ones((4, 3)))
    assert str(caught.value) == FEW.format("4 rows")
    with pytest.raises(ValueError) as caught:
        measure(np.ones((1, 3)))
    assert str(caught.value) == FEW.format("1 row")
    broken = np.ones((6, 2))
    broken[4, 0] = np.nan
    with pytest.raises(ValueError) as caught:
        measure(broken)
    assert str(caught.value) == (
        "The 'embedding' parameter must be finite. Got 1 of 6 rows NaN or infinite (ids 4) instead."
    )
    measure(np.random.default_rng(0).normal(size=(5, 3)))  # the fewest


@pytest.mark.parametrize(("measure", "low"), [(health.local_dimension, 4), (health.hubness, 1)])
def test_k_is_bounded(measure, low):
    with pytest.raises(ValueError) as caught:
        measure(cloud(20, 3), k=20)
    assert str(caught.value) == (
        f"The 'k' parameter must be an integer from {low} to 19. Got 20 instead."
    )
    with pytest.raises(ValueError, match=f"from {low} to 19. Got 0 instead"):
        measure(cloud(20, 3), k=0)


def test_the_papers_are_named():
    for measure, paper in (
        (health.spread, "Reliable Measures of Spread"),
        (health.local_dimension, "LDReg"),
        (health.separability, "An Unsupervised Method for Estimating Class"),
    ):
        assert paper in " ".join(measure.__doc__.split())
