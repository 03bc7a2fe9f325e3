"""The panel of clusters without a browser: by its methods, and by clicking its widgets."""

from __future__ import annotations

import asyncio
import warnings

import ipywidgets
import numpy as np
import pandas as pd
import pytest
import traitlets

import curalab as cl
from by_hand import click, press, shown, walk
from curalab.clusters import HDBSCAN, Agglomerative, KMeans, Spectral
from curalab.embedding import Embedding
from curalab.ledger import Ledger
from curalab.pool import Pool
from curalab_widgets.clusters import ClusterPanel
from curalab_widgets.figures._clusters import condensed_tree, rows_beneath

NASTY = "<img src=x onerror=alert(1)><script>alert(1)</script>\"&'"
MIDDLES = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
TOPICS = [
    "a basket of red apples and pears",
    "fast cars on wide and empty roads",
    "warm rain before all those storms",
    "old songs to sing in the evening",
]


@pytest.fixture(scope="module")
def emb():
    """Four clear blobs of 30 rows, the last of which is two of 15, and one row far from all."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(middle, 0.5, (30, 2)) for middle in MIDDLES])
    x[105:120] += [0, 5]
    x = np.concatenate([x, [[40, 40]]])
    return Embedding(ids=[f"r{i}" for i in range(121)], vectors=x, metric="euclidean")


@pytest.fixture
def items(emb):
    blob = np.minimum(np.arange(121) // 30, 3)
    table = pd.DataFrame({"label": None, "text": [TOPICS[b] for b in blob]}, index=emb.ids)
    return table.astype({"label": object})


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "test.ledger") as opened:
        yield opened


@pytest.fixture
def panel(emb, items, ledger):
    return ClusterPanel(
        emb, items, method=HDBSCAN(min_cluster_size=20, min_samples=5), ledger=ledger, actor="Ann"
    )


def of(panel, row):
    """The cluster of a row."""
    return int(panel.clustering.labels[row])


def groups(panel):
    """The clusters as sets of row numbers, whatever their numbers."""
    labels = panel.clustering.labels
    return {frozenset(np.flatnonzero(labels == k).tolist()) for k in np.unique(labels[labels >= 0])}


# ---- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("low", [2, 5, 17, 40, 130])
def test_another_size_is_cut_from_the_same_tree_as_if_computed_anew(emb, low, selection):
    panel = ClusterPanel(emb, method=HDBSCAN(min_samples=4))
    panel.settings = {"min_cluster_size": low, "selection": selection}
    method = HDBSCAN(min_cluster_size=low, min_samples=4, selection=selection)
    anew = cl.cluster(emb, method=method, random_state=0)
    np.testing.assert_array_equal(panel.clustering.labels, anew.labels)
    np.testing.assert_allclose(panel.clustering.strength, anew.strength)
    assert panel.clustering.params["settings"] == anew.params["settings"]
    assert len(panel._finder._whole) == 1  # distances were computed once


def test_size_moves_the_clusters_and_all_that_is_said_of_them(panel, emb):
    assert panel.clustering.n_clusters == 4
    assert "<b>4</b> clusters · <b>0.8%</b> noise" in shown(panel)
    drawn = list(panel._tree.widget.data[0].x)
    panel.settings = {"min_cluster_size": 10}
    assert panel.settings == {"min_cluster_size": 10, "min_samples": 5, "selection": "eom"}
    assert panel.clustering.n_clusters == 5
    assert "<b>5</b> clusters" in shown(panel)
    assert list(panel._tree.widget.data[0].x) != drawn
    assert panel.validity > 0.7
    slider = walk(panel, ipywidgets.IntSlider)[0]
    assert slider.value == 10
    slider.value = 20  # by hand; without an event loop it is found at once
    assert panel.settings["min_cluster_size"] == 20
    assert panel.clustering.n_clusters == 4
    colors = panel._paint.codes[[0, 31, 61, 91]]
    assert len(set(colors.tolist())) == 4


def test_clusters_keep_their_colors_when_numbers_change(panel):
    before = panel._paint.codes[[0, 31, 61]].tolist()
    panel.settings = {"min_cluster_size": 8, "selection": "leaf"}
    panel.merge(of(panel, 91), of(panel, 110))
    assert panel._paint.codes[[0, 31, 61]].tolist() == before


def test_a_bad_setting_changes_nothing(panel):
    with pytest.raises(ValueError) as told:
        panel.settings = {"min_cluster_size": 1}
    assert str(told.value) == (
        "The 'min_cluster_size' parameter must be an integer of 2 or more. Got 1 instead."
    )
    assert panel.settings["min_cluster_size"] == 20
    with pytest.raises(ValueError) as told:
        panel.settings = {"n_clusters": 3}
    assert str(told.value).startswith(
        "The 'settings' parameter must be one of 'min_cluster_size', 'min_samples', 'selection'. "
        "Got 'n_clusters' instead."
    )


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (KMeans(n_clusters=4), ["n_clusters"]),
        (Agglomerative(), ["n_clusters", "linkage", "n_neighbors"]),
        (Spectral(n_clusters=4), ["n_clusters", "n_neighbors"]),
        ({"euclidean": KMeans(n_clusters=4), "cosine": "agglomerative"}, ["n_clusters"]),
    ],
)
def test_other_methods_have_their_own_sliders_and_a_tree_of_clusters(emb, method, names):
    panel = ClusterPanel(emb, method=method)
    assert list(panel.settings) == names
    panel.settings = {"n_clusters": 3}
    assert panel.clustering.n_clusters == 3
    assert (
        list(panel._tree.widget.data[1].text) == ["2", "1", "0"]
        or len(set(panel._tree.widget.data[1].text)) == 3
    )
    panel.select_branch(0)
    assert len(panel.selected) == 121


def test_a_function_has_no_settings(emb):
    def halves(pool, *, rng):
        return (np.arange(len(pool)) >= 60).astype(int), np.ones(len(pool))

    panel = ClusterPanel(Pool(embedding=emb), method=halves)
    assert panel.settings == {}
    assert panel.clustering.n_clusters == 2
    assert walk(panel, ipywidgets.IntSlider) == []


# ---- by hand -------------------------------------------------------------------------------------


def test_merge_split_and_undo(panel, ledger):
    start = groups(panel)
    one, other = of(panel, 0), of(panel, 31)
    panel.merge(one, other)
    assert frozenset(range(60)) in groups(panel)
    assert of(panel, 0) == min(one, other)
    assert panel.clustering.n_clusters == 3
    panel.split(min(one, other))
    assert groups(panel) == start
    panel.split(of(panel, 91))
    assert {frozenset(range(90, 105)), frozenset(range(105, 120))} < groups(panel)
    assert ledger.to_frame()["action"].tolist() == ["tag"] * 3
    for _ in range(2):
        press(panel, "u")
    assert frozenset(range(60)) in groups(panel)
    panel.undo()
    assert groups(panel) == start
    with pytest.raises(ValueError, match=r"^There is nothing to take back\.$"):
        panel.undo()


def test_three_clusters_merge_and_come_back_as_one_step(panel):
    panel.merge(*(of(panel, row) for row in (0, 31, 61)))
    assert frozenset(range(90)) in groups(panel)
    panel.undo()
    assert panel.clustering.n_clusters == 4


def test_undo_without_a_ledger(emb):
    panel = ClusterPanel(emb, method=KMeans(n_clusters=4))
    panel.merge(0, 1)
    panel.name(0, "one")
    assert panel.names == {0: "one"}
    panel.undo()
    assert panel.names == {}
    panel.undo()
    assert panel.clustering.n_clusters == 4
    assert panel.edits == []
    with pytest.raises(ValueError, match=r"^There is nothing to take back\.$"):
        panel.undo()


def test_changes_stay_when_a_slider_moves(panel):
    panel.merge(of(panel, 0), of(panel, 31))
    panel.name(of(panel, 0), "both")
    panel.settings = {"min_cluster_size": 10, "min_samples": 5}
    assert frozenset(range(60)) in groups(panel)
    assert panel.names == {of(panel, 0): "both"}


def test_links_hold(panel):
    panel.must_link("r0", "r120")  # noise goes to the cluster of the other
    assert of(panel, 120) == of(panel, 0)
    assert panel.clustering.strength[120] == 1
    panel.cannot_link("r95", "r110")
    assert of(panel, 95) != of(panel, 110)
    assert frozenset(range(90, 105)) in groups(panel)
    with pytest.raises(ValueError) as told:
        panel.merge(of(panel, 95), of(panel, 110))
    assert str(told.value) == (
        "The clusters hold r95 and r110, which do not belong together. Undo that first."
    )
    with pytest.raises(ValueError) as told:
        panel.must_link("r95", "r110")
    assert str(told.value) == (
        "The 'cannot_link' parameter must not part rows that 'must_link' joins. "
        "Got 'r95' and 'r110'."
    )
    panel.settings = {"min_cluster_size": 25}
    assert of(panel, 95) != of(panel, 110)
    assert of(panel, 120) == of(panel, 0)


def test_two_rows_of_noise_become_a_cluster(emb):
    panel = ClusterPanel(emb, method=HDBSCAN(min_cluster_size=100))
    assert panel.clustering.n_clusters == 0
    assert "No clusters: all rows are noise." in shown(panel)
    panel.must_link("r0", "r1")
    assert groups(panel) == {frozenset([0, 1])}


def test_spectral_gets_links_as_its_own_settings(emb):
    panel = ClusterPanel(emb, method=Spectral(n_clusters=4))
    panel.must_link("r0", "r31")
    method = Spectral(n_clusters=4, must_link=[["r0", "r31"]])
    anew = cl.cluster(emb, method=method, random_state=0)
    np.testing.assert_array_equal(panel.clustering.labels, anew.labels)


def test_names_by_words_of_the_texts(panel):
    assert "apples" in shown(panel)
    panel.name(of(panel, 0), "fruit")
    panel.name_by_words()
    assert panel.names[of(panel, 0)] == "fruit"
    assert "cars" in panel.names[of(panel, 31)]
    with pytest.raises(ValueError, match=r"^There is nothing to name: no cluster without a name"):
        panel.name_by_words()
    panel.name(of(panel, 0), "")
    assert of(panel, 0) not in panel.names


# ---- labels and the ledger -----------------------------------------------------------------------


def test_accepted_names_are_labels(panel, items, ledger):
    with pytest.raises(ValueError, match=r"^There is nothing to accept: no cluster has a name\.$"):
        panel.accept()
    panel.name(of(panel, 0), "fruit")
    panel.name(of(panel, 31), "cars")
    click(panel, "Accept as labels")
    clean = ledger.apply(items)
    assert clean["label"].iloc[:60].tolist() == ["fruit"] * 30 + ["cars"] * 30
    assert clean["label"].iloc[60:].isna().all()
    last = ledger.to_frame().iloc[-1]
    assert (last["actor"], last["method"], last["embedding"]) == (
        "Ann",
        "hdbscan",
        panel._pool.embedding.fingerprint,
    )
    assert last["params"]["settings"]["min_cluster_size"] == 20
    assert "✓ accepted" in shown(panel)
    press(panel, "u")
    assert ledger.apply(items)["label"].isna().all()
    assert panel.names == {of(panel, 0): "fruit", of(panel, 31): "cars"}
    assert "✓ accepted" not in shown(panel)


def test_rows_that_have_the_label_are_kept(emb, items, ledger):
    items.loc["r0", "label"] = "fruit"
    panel = ClusterPanel(emb, items, method=KMeans(n_clusters=4), ledger=ledger)
    panel.name(of(panel, 0), "fruit")
    panel.accept()
    known = ledger.decisions()
    known = known[known["action"] != "tag"]
    assert known["action"].value_counts().to_dict() == {"relabel": 29, "keep": 1}
    assert known.loc["r0", "action"] == "keep"


def test_a_name_given_back_is_the_label_again(emb, items, ledger):
    items["label"] = "fruit"
    panel = ClusterPanel(emb, items, method=KMeans(n_clusters=4), ledger=ledger)
    for name in ("cars", "fruit"):
        panel.name(of(panel, 0), name)
        panel.accept()
    assert (ledger.apply(items)["label"] == "fruit").all()
    assert "✓ accepted" in shown(panel)


def test_a_panel_made_again_knows_the_ledger(panel, emb, items, ledger):
    panel.settings = {"min_cluster_size": 10}
    panel.merge(of(panel, 95), of(panel, 110))
    panel.name(of(panel, 0), "fruit")
    panel.cannot_link("r0", "r5")
    panel.accept()
    method = HDBSCAN(min_cluster_size=20, min_samples=5)
    again = ClusterPanel(emb, items, method=method, ledger=ledger, actor="Ann")
    assert again.settings == panel.settings
    np.testing.assert_array_equal(again.clustering.labels, panel.clustering.labels)
    assert again.names == panel.names
    assert again.edits == panel.edits
    assert "✓ accepted" in shown(again)
    again.undo()  # of the whole acceptance
    assert ledger.apply(items)["label"].isna().all()
    again.undo()
    assert of(again, 0) == of(again, 5)
    other = ClusterPanel(emb, items, method=KMeans(n_clusters=4), ledger=ledger, actor="Ann")
    assert other.settings == {"n_clusters": 4}  # of another method: as it was given
    moved = Embedding(ids=emb.ids, vectors=emb.vectors + 1, metric="euclidean")
    assert ClusterPanel(moved, items, ledger=ledger).edits == []


def test_edits_may_be_set_and_the_ledger_follows(panel, ledger):
    panel.name(0, "a")
    panel.edits = [["merge", "r0", "r31"]]
    assert panel.names == {}
    assert of(panel, 0) == of(panel, 31)
    assert ledger.to_frame()["action"].tolist() == ["tag", "undo", "tag"]
    panel.undo()
    assert panel.edits == []


# ---- by clicks -----------------------------------------------------------------------------------


def test_the_list_picks_clusters_and_buttons_change_them(panel):
    one, other = of(panel, 0), of(panel, 31)
    click(panel, "Merge")
    assert "No cluster is selected. Pick one in the list, or several." in panel._said.value
    for number in (one, other):
        panel._hear(None, {"pick": f"cluster:{number}"}, [])
    assert panel.selected == [f"r{i}" for i in range(60)]
    assert panel._list.value.count("curalab-cluster-chosen") == 2
    panel._hear(None, {"pick": f"cluster:{other}"}, [])
    assert panel.selected == [f"r{i}" for i in range(30)]
    panel._hear(None, {"pick": f"cluster:{other}"}, [])
    press(panel, "m")
    assert panel.clustering.n_clusters == 3
    (name,) = walk(panel, ipywidgets.Text)
    name.value = "both"
    click_exactly(panel, "Name")
    assert panel.names == {min(one, other): "both"}
    press(panel, "s")
    assert panel.clustering.n_clusters == 4
    press(panel, "Escape")
    assert panel.selected == []
    click_exactly(panel, "Name")
    assert "No cluster is selected. Pick one in the list, or several." in panel._said.value


def click_exactly(panel, name):
    (button,) = [b for b in walk(panel, ipywidgets.Button) if b.description == name]
    button.click()


@pytest.mark.parametrize("engine", ["scatter", "plotly"])
def test_two_points_picked_one_after_the_other_are_linked(emb, engine):
    panel = ClusterPanel(emb, method=KMeans(n_clusters=4), engine=engine)
    click(panel, "Belong together")
    assert "Pick two items, one after the other, on the map or below." in panel._said.value
    for point in (0, 31):
        panel._take(np.array([point]))
    click(panel, "Belong together")
    assert panel.edits == [["must_link", "r0", "r31"]]
    assert of(panel, 0) == of(panel, 31)
    panel._take(np.array([90, 110]))
    panel._hear(None, {"pick": "row:95"}, [])
    click(panel, "Do not belong together")
    assert panel.edits[1:] == [["cannot_link", "r110", "r95"]]


def test_a_branch_of_the_tree_selects_its_rows(panel):
    trace = panel._tree.widget.data[0]
    branch = int(trace.customdata[-1])
    (heard,) = trace._click_callbacks
    points = type("Points", (), {"point_inds": [len(trace.customdata) - 1]})()
    heard(trace, points, None)
    assert panel.selected == panel.ids[rows_beneath(panel._found.drawn, branch)].tolist()
    assert 0 < len(panel.selected) < 121


def test_a_stop_leaves_the_sliders_as_they_were(panel):
    panel._wanted = {**panel.settings, "min_cluster_size": 7}
    panel._dials.show(panel._wanted, found=4)  # as moved, while the answer is waited for
    click(panel, "Stop")
    assert panel._wanted == panel.settings
    assert walk(panel, ipywidgets.IntSlider)[0].value == 20


def test_after_a_slider_was_moved_python_still_waits_for_its_clusters(emb):
    async def main():
        panel = ClusterPanel(emb, method=KMeans(n_clusters=4))
        walk(panel, ipywidgets.IntSlider)[0].value = 5
        while not panel._work.is_idle:
            await asyncio.sleep(0.02)
        assert panel.clustering.n_clusters == 5
        panel.edits = [["merge", "r0", "r31"]]
        assert panel._work.is_idle
        assert of(panel, 0) == of(panel, 31)

    asyncio.run(main())


# ---- what goes in --------------------------------------------------------------------------------


def test_texts_are_escaped(emb, tmp_path):
    table = pd.DataFrame(
        {"label": NASTY, "text": [f"{NASTY} {i} and some more" for i in range(121)]}
    )
    table.index = [f"{NASTY}{i}" for i in range(121)]
    ids = Embedding(ids=table.index, vectors=emb.vectors, metric="euclidean")
    panel = ClusterPanel(ids, table, method=KMeans(n_clusters=3), ledger=Ledger(tmp_path / "x"))
    panel.name(0, NASTY)
    panel.selected = table.index[:3].tolist()
    panel._look_at(0)
    panel.accept()
    panel.save_html(tmp_path / "x.html")
    for html in (shown(panel), panel._still(), (tmp_path / "x.html").read_text("utf-8")):
        assert "<script" not in html
        assert "<img src=x" not in html
        assert "&lt;script" in html


def test_rows_without_a_place_are_clustered_but_not_drawn(emb):
    xy = emb.vectors.astype(float).copy()
    xy[3] = np.nan
    panel = ClusterPanel(emb, view=xy, method=KMeans(n_clusters=4))
    assert "1 have no place on the map." in panel._said.value
    panel._points.widget.selection = np.array([3], dtype=np.uint32)
    assert panel.selected == ["r4"]
    panel.selected = ["r3", "r5"]
    assert list(panel._points.widget.selection) == [4]


def test_few_rows_and_rows_all_alike():
    with pytest.raises(ValueError) as told:
        ClusterPanel(np.eye(1))
    assert str(told.value) == (
        "The 'embedding' parameter must be of at least 2 rows. Got 1 row instead."
    )
    panel = ClusterPanel(np.eye(2), method=KMeans(n_clusters=2))
    assert np.isnan(panel.validity)
    panel.merge(0, 1)
    panel.split(0)
    assert panel.clustering.n_clusters == 2
    alike = ClusterPanel(Embedding(vectors=np.ones((40, 3)), metric="euclidean"))
    assert alike.clustering.n_clusters == 0
    alike.must_link(0, 1)
    assert alike.clustering.n_clusters == 1


def test_items_are_aligned_by_id_and_lend_their_ids_to_arrays(emb, items):
    panel = ClusterPanel(emb, items.iloc[::-1], method=KMeans(n_clusters=4))
    assert panel.ids.equals(emb.ids)
    panel = ClusterPanel(emb.vectors, items, method=KMeans(n_clusters=4))
    assert panel.clustering.ids.equals(items.index)
    panel.must_link("r0", "r31")


def test_a_map_of_something_else_is_refused(emb):
    wide = Embedding(vectors=np.random.default_rng(0).normal(size=(121, 5)), ids=emb.ids)
    view = cl.reduce(wide, method="pca", random_state=0)
    ClusterPanel(wide, view=view, method=KMeans(n_clusters=2))
    ClusterPanel(cl.reduce(wide, method="pca", n_components=3, random_state=0), view=view)
    with pytest.raises(ValueError) as told:
        ClusterPanel(emb, view=view)
    assert str(told.value) == (
        "The 'view' parameter must be a map of the embedding. Got a map of "
        f"{wide.fingerprint[:8]}, while the embedding is {emb.fingerprint[:8]} instead."
    )
    with pytest.raises(ValueError) as told:
        ClusterPanel(emb, view=np.zeros((121, 3)))
    assert str(told.value).startswith(
        "The 'view' parameter must be of shape (n, 2). Got shape (121, 3) instead."
    )


def test_without_labels_or_ledger_there_is_nothing_to_accept(emb, ledger):
    panel = ClusterPanel(emb, ledger=ledger, method=KMeans(n_clusters=2))
    panel.name(0, "a")
    with pytest.raises(ValueError) as told:
        panel.accept()
    assert str(told.value) == (
        "The 'labels' parameter must be a column of the items, to relabel. Got None instead. "
        "Add one: items['label'] = None."
    )
    assert not [b for b in walk(panel, ipywidgets.Button) if b.description.startswith("Accept")]
    panel = ClusterPanel(emb, method=KMeans(n_clusters=2))
    with pytest.raises(ValueError, match="The 'ledger' parameter must be given to the panel"):
        panel.accept()


@pytest.mark.parametrize(
    ("edits", "kind", "message"),
    [
        (["merge"], TypeError, "The 'edits' parameter must be made of lists such as"),
        ([["join", "r0", "r1"]], ValueError, "The 'edits' parameter must be one of 'merge',"),
        ([["merge", "r0", "r0"]], ValueError, "The 'edits' parameter must be of two different"),
        ([["name", "r0", 3]], TypeError, "The 'text' parameter must be the name of a cluster."),
        ([["merge", "r0", "zz"]], KeyError, "The 'ids' parameter must be ids of the items."),
    ],
)
def test_bad_edits_are_refused_and_change_nothing(panel, ledger, edits, kind, message):
    with pytest.raises(kind) as told:
        panel.edits = edits
    assert told.value.args[0].startswith(message)
    assert panel.edits == []
    assert len(ledger) == 0


def test_unknown_clusters_and_lonely_ones(panel):
    for act in (lambda: panel.split(99), lambda: panel.merge(99, 0), lambda: panel.name(99, "x")):
        with pytest.raises(ValueError) as told:
            act()
        assert str(told.value) == (
            "The 'cluster' parameter must be the number of a cluster. Got 99 instead. "
            "See the panel's list."
        )
    with pytest.raises(ValueError) as told:
        panel.merge(0, 0)
    assert str(told.value) == (
        "The 'clusters' parameter must be two or more clusters, to merge. Got [0] instead."
    )
    with pytest.raises(traitlets.TraitError):
        panel.names = {0: "x"}


# ---- to pass on ----------------------------------------------------------------------------------


def test_the_code_gives_the_same_state(emb):
    panel = ClusterPanel(emb, method="hdbscan")
    panel.settings = {"min_cluster_size": 10}
    panel.merge(of(panel, 0), of(panel, 31))
    panel.name(of(panel, 0), 'the "left"')
    panel.selected = ["r3"]
    code = panel.to_code()
    space = {"ClusterPanel": ClusterPanel, "embedding": emb}
    exec(code, space)
    again = space["panel"]
    np.testing.assert_array_equal(again.clustering.labels, panel.clustering.labels)
    assert (again.names, again.selected) == (panel.names, panel.selected)
    assert again.to_code() == code


def test_panels_with_one_link_share_what_is_selected(emb):
    one = ClusterPanel(emb, method=KMeans(n_clusters=2), link="shared")
    other = ClusterPanel(emb, method=KMeans(n_clusters=3), link="shared")
    one.select_cluster(of(one, 0))
    assert other.selected == one.selected
    assert set(other._chosen()) <= {of(other, row) for row in other._rows()}


def test_the_picture_and_the_table_need_no_kernel(panel):
    html = panel._still()
    assert "data:image/png;base64," in html
    assert "<button" not in html
    assert "data-pick" not in html
    assert "apples" in html


def test_a_result_is_still_a_clustering(panel):
    panel.merge(of(panel, 0), of(panel, 31))
    assert panel.clustering.params["edits"] == [["merge", *map(str, panel.edits[0][1:])]]
    assert "predict" not in panel.clustering.details
    why = cl.explain(panel._pool.embedding, panel.clustering, method="medoids")
    assert len(why) == 3


# ---- the figure ----------------------------------------------------------------------------------


def test_the_tree_has_a_branch_for_each_cluster(emb):
    found = cl.cluster(emb, method=HDBSCAN(min_cluster_size=10, min_samples=5), random_state=0)
    figure = condensed_tree(found, names={0: "<b>"})
    assert sorted(figure.data[1].text) == ["1", "2", "3", "4", "<b>"]
    assert sorted(rows_beneath(found, 0)) == list(range(121))
    labels = {tuple(rows_beneath(found, int(b))) for b in set(figure.data[0].customdata)}
    for number in range(found.n_clusters):
        own = set(np.flatnonzero(found.labels == number))
        assert any(own == set(rows) for rows in labels)
    with pytest.raises(TypeError) as told:
        condensed_tree([0, 1])
    assert str(told.value).startswith(
        "The 'clustering' parameter must be a Clustering that HDBSCAN made, or a ClusterTree."
    )


def test_copies_have_no_distance_and_are_drawn_all_the_same():
    x = np.repeat([[0.0, 0], [5, 5]], 20, axis=0)
    found = cl.cluster(Embedding(vectors=x, metric="euclidean"), method="hdbscan", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = condensed_tree(found)
    assert np.isfinite(np.asarray(figure.data[0].y, dtype=float)).all()
