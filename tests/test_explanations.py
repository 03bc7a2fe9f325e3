import numpy as np
import pandas as pd
import pytest

from curalab import Embedding
from curalab.clusters import KMeans, cluster
from curalab.explanations import Words, explain

TEXTS = (
    ["the crisp red apple", "a green apple pie", "apple juice, pressed apple", "apple and pear"],
    ["the fast car", "a car with four doors", "this old car rusts", "car engine noise"],
)


@pytest.fixture
def two():
    x = np.repeat([[1.0, 0.1], [0.1, 1.0]], 4, axis=0) + np.arange(8)[:, None] * [0.01, 0]
    ids = [f"t{i}" for i in range(8)]
    return Embedding(vectors=x, ids=ids, data=pd.Series(TEXTS[0] + TEXTS[1], index=ids))


def test_words_set_clusters_apart(two):
    why = explain(two, [0] * 4 + [1] * 4)
    assert [words[0] for words in why.words] == ["apple", "car"]
    assert "the" not in why.words[1]
    assert why.size.tolist() == [4, 4]
    assert why.to_frame().columns.tolist() == [
        "cluster_size",
        "cluster_words",
        "cluster_medoid",
        "cluster_border",
    ]


def test_class_tf_idf_by_hand(two):
    only = Embedding(vectors=two.vectors[[0, 4]], data=["apple apple pear", "car pear"])
    why = explain(only, [0, 1], method=Words(n=5))
    # A = 5 / 2 words a cluster; apple: 2/3 log(1 + 2.5/2), pear: 1/3 log(1 + 2.5/2)
    assert why.words == [["apple", "pear"], ["car", "pear"]]


def test_medoids_and_borders_are_ids(two):
    why = explain(two, cluster(two, method=KMeans(n_clusters=2), random_state=0), method="medoids")
    assert set(why.medoid) <= set(two.ids)
    for words, medoid, border in zip(why.words, why.medoid, why.border, strict=True):
        assert words[0] == medoid
        assert border[0] in two.ids
        assert border[0] != medoid


def test_noise_is_not_explained_and_numbers_are_kept(two):
    why = explain(two, [-1, 3, 3, 3, 7, 7, 7, -1])
    assert why.ids.tolist() == [3, 7]
    assert why.size.tolist() == [3, 3]


def test_items_may_be_a_table(two):
    items = pd.DataFrame({"label": list("abababab"), "text": two.data}, index=two.ids)
    bare = Embedding(vectors=two.vectors, ids=two.ids)
    assert explain(bare, [0] * 4 + [1] * 4, items=items).words[0][0] == "apple"
    shuffled = items.sample(frac=1, random_state=0)
    assert explain(bare, [0] * 4 + [1] * 4, items=shuffled).words[0][0] == "apple"


def test_words_need_texts(two):
    items = pd.DataFrame({"x": np.arange(8)}, index=two.ids)
    with pytest.raises(TypeError) as caught:
        explain(two, [0] * 8, items=items, method="words")
    assert str(caught.value) == (
        "The method 'words' needs texts. Got columns 'x' instead. "
        "Pass items=… with a column of texts, or choose method='medoids'."
    )
    bare = Embedding(vectors=two.vectors)
    with pytest.raises(ValueError, match="The method 'words' needs 'data', and the pool has none"):
        explain(bare, [0] * 8, method="words")
    with pytest.raises(TypeError, match="needs texts. Got names of files instead"):
        explain(bare, [0] * 8, items=[f"photos/{n}.jpg" for n in range(8)], method="words")


def test_a_function_explains_too(two):
    def sizes(pool, clustering, *, rng):
        return [[str(n)] for n in np.bincount(clustering)]

    assert explain(two, [0] * 3 + [1] * 5, method=sizes).words == [["3"], ["5"]]

    def one_short(pool, clustering, *, rng):
        return [["x"]]

    with pytest.raises(ValueError, match="broke its contract: 1 lists for 2 clusters"):
        explain(two, [0] * 3 + [1] * 5, method=one_short)


def test_bad_clusterings(two):
    with pytest.raises(TypeError) as caught:
        explain(two, [0.5] * 8)
    assert str(caught.value) == (
        "The 'clustering' parameter must be a Clustering, or whole numbers from -1, one a row. "
        "Got dtype float64 instead."
    )
    assert len(explain(two, [-1] * 8)) == 0


def test_a_function_names_clusters_and_may_fail(two, tmp_path):
    def name(words, examples):
        if words[0] == "car":
            raise TimeoutError("slow")
        return f"{words[0]}s: {examples[0]}"

    why = explain(two, [2] * 4 + [5] * 4, name=name)
    assert why.name.tolist() == [f"apples: {two.data[why.medoid[0]]}", None]
    assert why.to_frame()["cluster_name"].isna().tolist() == [False, True]
    assert why.details["name_errors"] == {"5": "TimeoutError: slow"}
    assert why.params["name"]["source"]
    why.save(tmp_path / "why")
    assert type(why).open(tmp_path / "why").name.tolist()[0] == why.name[0]
    assert "cluster_name" not in explain(two, [2] * 4 + [5] * 4).to_frame()


@pytest.mark.parametrize(
    ("data", "items", "method"),
    [
        (["red apple pie", "a fast car", "the old car"], None, "words"),
        (["a.jpg", "b.jpg", "c.PNG"], None, "medoids"),
        (pd.DataFrame({"size": [1, 2, 9], "kind": ["a", "a", "b"]}), None, "rules"),
        (None, ["red apple pie", "a fast car", "the old car"], "words"),
        (["a.jpg", "b.jpg", "c.jpg"], pd.DataFrame({"note": ["one two", "two", "six"]}), "medoids"),
        (None, None, "medoids"),
    ],
)
def test_what_was_embedded_decides_how_it_is_explained(data, items, method):
    emb = Embedding(vectors=[[1, 0.1], [0.1, 1], [0.2, 1]], data=data)
    why = explain(emb, [0, 1, 1], items=items, random_state=0)
    assert why.params["method"] == method


def test_titles_of_clusters_and_items(two):
    why = explain(two, [0] * 3 + [1] * 4 + [-1], random_state=0)
    assert why.titles().tolist() == [", ".join(words[:3]) for words in why.words]
    by_item = why.by_item()
    assert by_item.index.equals(two.ids)
    assert by_item[:7].tolist() == why.titles()[[0] * 3 + [1] * 4].tolist()
    assert by_item.isna().tolist() == [False] * 7 + [True]
    named = explain(two, [4] * 4 + [7] * 4, name=lambda words, items: "same", random_state=0)
    assert named.titles().to_dict() == {4: "same (4)", 7: "same (7)"}
    like = explain(two, [0] * 4 + [1] * 4, method="medoids")
    assert like.titles()[0] == f"{like.medoid[0]} and similar"
    silent = explain(two, [0] * 8, method=lambda pool, clustering, *, rng: [[]])
    assert silent.titles().tolist() == ["cluster 0"]


def test_an_explanation_on_disk(two, tmp_path):
    why = explain(two, [0] * 3 + [1] * 4 + [-1], random_state=0)
    why.save(tmp_path / "why")
    assert why.open(tmp_path / "why").by_item().equals(why.by_item())
