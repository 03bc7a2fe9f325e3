"""Lineage: what is handed down a chain, what contradicts itself, and what may be done."""

import numpy as np
import pandas as pd
import pytest

from curalab.documents._lineage import Lineage, lineage
from curalab_widgets.figures._lineage import lineage_graph

CHAIN = {
    "reviews": {
        "licence": "cc by 4.0", "parents": ["raw", "wiki"], "how": "cleaned", "creators": ["Ann"],
        "languages": "en", "years": 2021, "attribution": "Reviews by Ann",
    },
    "raw": {
        "licence": "CC-BY-NC-4.0", "creators": ["Ben", "Cy"], "languages": ["en", "de"],
        "places": ["Kenya"], "years": [2012], "sources": {"shop.example": "non-commercial"},
    },
    "wiki": {"license": "cc-by-sa-3.0", "parents": "base", "languages": "en", "years": [2015]},
    "base": {
        "licence": "CC0", "tasks": ["translation"], "sources": {"wikipedia.org": "cc-by-sa-3.0"},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def chain():
    return lineage(CHAIN)


def told(found, dataset):
    mine = found.problems[found.problems["dataset"] == dataset]
    return dict(zip(mine["problem"], mine["evidence"], strict=True))


# ---- what is handed down -------------------------------------------------------------------------


def test_the_strictest_terms_win_down_the_chain(chain):
    assert repr(chain) == "Lineage(4 datasets, together non-commercial, 3 problems)"
    assert chain.to_frame()["use"].to_dict() == {
        "reviews": "non-commercial", "raw": "non-commercial", "wiki": "commercial",
        "base": "commercial",
    }  # fmt: skip
    assert chain.terms("wiki").alike == {"CC-BY-SA-3.0"}
    assert chain.ancestors() == ["raw", "wiki", "base"]
    assert chain.generation == {"raw": 0, "base": 0, "wiki": 1, "reviews": 2}


def test_each_restriction_names_what_forces_it(chain):
    because = chain.permissions().set_index("what")
    assert because.loc["use it commercially"].tolist() == [
        "no",
        "raw is under CC-BY-NC-4.0; the source shop.example of raw says LicenseRef-non-commercial",
    ]
    assert because.loc["use it for research"].tolist() == ["yes", ""]
    assert because.loc["share it", "answer"] == "unspecified"
    assert because.loc["share what you make of it under the same licence"].tolist() == [
        "must",
        "wiki is under CC-BY-SA-3.0; the source wikipedia.org of base says CC-BY-SA-3.0",
    ]
    assert chain.permissions("raw").loc[0, "answer"] == "no"
    assert chain.permissions("wiki").loc[0, "answer"] == "yes"


def test_plain_words():
    found = lineage(
        {"mine": {"licence": "CC-BY-4.0", "parents": ["old"]}, "old": {"licence": "MIT"}}
    )
    assert found.in_words() == (
        "What you may do with mine:\n"
        "- You may use it commercially.\n"
        "- You may use it for research.\n"
        "- You may change it and share that.\n"
        "- You may share it.\n"
        "- You must name the creators: mine is under CC-BY-4.0; old is under MIT.\n"
        "- You must pass the licence on with it: mine is under CC-BY-4.0; old is under MIT.\n"
        "- You must say what you changed: mine is under CC-BY-4.0.\n"
        "\nThis puts together what the licences state, by rule. It is no legal advice: read the "
        "licences, and ask a lawyer where it matters."
    )
    silent = lineage({"mine": {}}).in_words()
    assert "- Nothing says whether you may use it commercially: mine is under no stated" in silent


# ---- problems ------------------------------------------------------------------------------------


def test_a_licence_looser_than_its_origin(chain):
    assert told(chain, "reviews") == {
        "licence looser than its origin": "reviews is under CC-BY-4.0, but raw is under "
        "CC-BY-NC-4.0; the source shop.example of raw says LicenseRef-non-commercial",
        "share-alike conflict": "CC-BY-SA-3.0 must cover the whole, and a part is non-commercial: "
        "raw is under CC-BY-NC-4.0; the source shop.example of raw says LicenseRef-non-commercial; "
        "wiki is under CC-BY-SA-3.0; the source wikipedia.org of base says CC-BY-SA-3.0",
    }
    assert told(chain, "base") == {
        "share-alike not kept": "it is under CC0-1.0, but the source wikipedia.org of base says "
        "CC-BY-SA-3.0"
    }


def test_a_licence_against_source_terms():
    found = lineage(
        {
            "x": {
                "licence": "cc-by-4.0",
                "sources": {"tube.example": "non-commercial", "b.example": None},
            }
        }
    )
    assert told(found, "x") == {
        "source terms missing": "nothing is said of b.example",
        "licence against source terms": "x is under CC-BY-4.0, but the source tube.example of x "
        "says LicenseRef-non-commercial",
    }
    same = lineage({"x": {"licence": "cc-by-nc-4.0", "sources": ["a", "b"], "source_terms": "nc"}})
    assert same.problems.empty


@pytest.mark.parametrize(
    ("licence", "fits"),
    [("CC-BY-SA-4.0", True), ("CC-BY-SA-3.0", True), ("CC-BY-SA-2.0", False), ("MIT", False),
     ("MIT AND CC-BY-SA-4.0", True)],
)  # fmt: skip
def test_share_alike_must_be_kept(licence, fits):
    found = lineage({"x": {"licence": licence, "parents": "y"}, "y": {"licence": "CC-BY-SA-3.0"}})
    assert ("share-alike not kept" not in told(found, "x")) == fits
    if not fits:
        action = found.problems["action"].iloc[-1]
        assert action == "Use CC-BY-SA-3.0 or CC-BY-SA-4.0 or CC-BY-SA-3.0-AT."


def test_no_derivatives_is_told_of_what_was_derived():
    chain = {"c": {"parents": "b", "licence": "MIT"}, "b": {"parents": "a", "licence": "MIT"}}
    found = lineage({**chain, "a": {"licence": "CC-BY-ND-4.0"}})
    assert told(found, "b") == {
        "no derivatives": "a part may be passed on only unchanged: a is under CC-BY-ND-4.0"
    }
    assert told(found, "a") == told(found, "c") == {}
    assert (
        found.permissions("c").set_index("what").loc["change it and share that", "answer"] == "no"
    )


def test_missing_and_unclear_licences():
    found = lineage(
        {"a": {}, "b": {"licence": "see paper"}, "c": {"licence": "CC BY", "parents": "a"}}
    )
    assert told(found, "a") == {"missing": "no licence is stated"}
    assert told(found, "b") == {"unknown spelling": "'see paper' is no licence known here"}
    assert told(found, "c") == {"no version": "'CC BY' names no version"}


# ---- rows of a table -----------------------------------------------------------------------------


@pytest.fixture
def items():
    return pd.DataFrame(
        {"lic": ["MIT", "cc by-sa 3.0", None, "MIT"], "who": ["Ann", "Ben", np.nan, "Cy"]},
        index=["a", 7, "c", "d"],
    )


def test_licences_and_attribution_of_rows(items):
    found = lineage(
        {"x": {"parents": "y"}, "y": {"licence": "cc0", "creators": ["Dee", "Eve"]}},
        items=items, licence="lic", attribution="who",
    )  # fmt: skip
    assert told(found, "x") == {"missing": "no licence is stated"}
    because = found.permissions().set_index("what")["because"]
    assert because["use it commercially"] == "1 row of x under no stated licence"
    assert because["say what you changed"] == "1 row of x under CC-BY-SA-3.0"
    credits = found.attributions()
    assert credits["dataset"].tolist() == ["x", "y", "x", "x", "x", "x"]
    assert credits["id"].tolist()[2:] == ["a", 7, "c", "d"]
    assert credits["licence"].tolist() == [None, "CC0-1.0", "MIT", "CC-BY-SA-3.0", None, "MIT"]
    assert credits["attribution"].tolist() == ["", "Dee; Eve", "Ann", "Ben", None, "Cy"]
    assert credits["must_name"].tolist() == [False, False, True, True, False, True]
    assert "licence" not in found.facts()
    whole = lineage({"x": {}}, items=items.drop("c"), licence="lic")
    assert whole.facts() == {"licence": "MIT AND CC-BY-SA-3.0"}


def test_rows_can_be_of_a_dataset_in_the_middle(items):
    found = lineage(
        {"x": {"parents": "y", "licence": "MIT"}, "y": {}}, items=items, licence="lic", of="y"
    )
    assert found.ancestors("x") == ["y"]
    assert "share-alike not kept" in told(found, "x")
    assert len(found.attributions("x")) == 2 + 4


# ---- to hand on ----------------------------------------------------------------------------------


def test_facts_for_a_card(chain):
    assert chain.facts() == {
        "source": "shop.example; wikipedia.org",
        "creators": "Ann; Ben; Cy",
        "languages": "en; de",
        "tasks": "translation",
        "places": "Kenya",
        "licence": "CC-BY-4.0",
        "years": "2012 to 2021",
        "derived from": "raw; wiki; base",
    }
    assert chain.attributions()["attribution"].tolist() == ["Reviews by Ann", "Ben; Cy", "", ""]


def test_a_tree_of_text(chain):
    assert chain.tree() == (
        "reviews · CC-BY-4.0 · cleaned\n"
        "├─ raw · CC-BY-NC-4.0\n"
        "└─ wiki · CC-BY-SA-3.0\n"
        "   └─ base · CC0-1.0"
    )
    assert chain.tree("wiki") == "wiki · CC-BY-SA-3.0\n└─ base · CC0-1.0"


def test_a_diamond_is_drawn_once():
    datasets = {"top": {}}
    for i in range(30):  # 2 ** 30 ways from the last to the first
        above = [f"l{i - 1}", f"r{i - 1}"] if i else ["top"]
        datasets |= {f"l{i}": {"parents": above}, f"r{i}": {"parents": above}}
    found = lineage({**datasets, "last": {"parents": ["l29", "r29"]}})
    assert len(found.tree().splitlines()) < 130
    assert len(found.ancestors("last")) == 61


def test_concentration_by_hand(chain):
    found = chain.concentration("languages")
    # 2012: en and de half of one dataset each. 2015: one more of en, 2021 another.
    assert found["year"].tolist()[:6] == [2012, 2012, 2015, 2015, 2021, 2021]
    assert found["year"].isna().sum() == 2
    assert found["value"].tolist()[2:] == ["en", "de"] * 3
    assert np.allclose(found["share"], [0.5, 0.5, 0.75, 0.25, 2.5 / 3, 0.5 / 3, 2.5 / 3, 0.5 / 3])
    assert np.allclose(found["gini"][[0, 2, 4]], [0, 0.25, 1 / 3])
    years = chain.concentration("years")
    assert years["year"].isna().all()
    assert np.allclose(years["share"], 1 / 3)
    assert chain.concentration("places")["value"].unique().tolist() == ["Kenya"]
    assert lineage({"x": {}}).concentration().empty


def test_gini_tends_to_one_where_one_value_has_nearly_all():
    datasets = {f"d{i}": {"languages": "en"} for i in range(990)}
    datasets |= {f"o{i}": {"languages": f"l{i}"} for i in range(10)}
    # 11 values of shares 0.99 and ten of 0.001: (2·11 − 12)·0.99 + Σ(2i − 12)·0.001, over 11
    expected = (10 * 0.99 + sum(2 * i - 12 for i in range(1, 11)) * 0.001) / 11
    assert np.isclose(lineage(datasets).concentration()["gini"].iloc[0], expected)


def test_saved_and_opened(chain, items, tmp_path):
    chain.save(tmp_path / "kept")
    again = Lineage.open(tmp_path / "kept")
    assert again.problems.equals(chain.problems)
    assert again.to_frame().equals(chain.to_frame())
    rows = lineage({"x": {}}, items=items.rename({7: "b"}), licence="lic", attribution="who")
    rows.save(tmp_path / "rows")
    again = Lineage.open(tmp_path / "rows")
    assert again.in_words() == rows.in_words()
    assert again.attributions()["id"].tolist() == [None, "a", "b", "c", "d"]


def test_frames_and_records_give_the_same(chain):
    frame = pd.DataFrame.from_dict(CHAIN, orient="index").drop(columns="license")
    frame.loc["wiki", "licence"] = "cc-by-sa-3.0"
    assert lineage(frame).problems.equals(chain.problems)
    records = [{"name": name, **record} for name, record in CHAIN.items()]
    assert lineage(records).facts() == chain.facts()
    assert lineage(frame.rename_axis("name").reset_index()).facts() == chain.facts()


def test_four_thousand_datasets():
    datasets = {"d0": {"licence": "CC-BY-NC-4.0"}}
    for i in range(1, 4000):  # chains of ten
        parents = [f"d{i - 1}"] if i % 10 else []
        datasets[f"d{i}"] = {"licence": "MIT", "parents": parents}
    problems = lineage(datasets).problems["problem"]
    assert problems.value_counts().to_dict() == {"licence looser than its origin": 9}


def test_text_from_data_is_escaped():
    bad = "<script>alert(1)</script>"
    found = lineage({bad: {"licence": bad, "how": bad, "parents": ["y"]}, "y": {"creators": bad}})
    assert "<script>" not in found._repr_html_()
    assert "<script>" not in lineage_graph(found).to_json().replace("\\u003c", "<")


# ---- the figure ----------------------------------------------------------------------------------


def test_the_graph_has_a_column_a_generation(chain):
    figure = lineage_graph(chain)
    edges, *groups = figure.data
    assert edges.x == (0, 2, None, 1, 2, None, 0, 1, None)
    assert {trace.name: trace.x for trace in groups} == {
        "commercial": (1, 0), "non-commercial": (2, 0),
    }  # fmt: skip
    text = {label for trace in groups for label in trace.text}
    assert text == {"reviews<br>2 problems", "raw", "wiki", "base<br>1 problem"}
    assert len({(x, y) for trace in groups for x, y in zip(trace.x, trace.y, strict=True)}) == 4
    assert "share-alike conflict" in groups[1].hovertext[0]


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: lineage({"x": {"parents": ["y", "z"]}, "y": {}}), ValueError,
            "The 'datasets' parameter must be complete, parents too. Got the parents 'z' of 'x' "
            "instead. Tell of each parent too: an empty mapping will do.",
        ),
        (
            lambda: lineage({"a": {"parents": "b"}, "b": {"parents": "c"}, "c": {"parents": "a"}}),
            ValueError,
            "The 'datasets' parameter must be without a circle. "
            "Got 'a' from 'b' from 'c' from 'a' instead.",
        ),
        (
            lambda: lineage({"x": {"licens": "MIT"}}), ValueError,
            "The 'datasets' parameter must be one of 'parents', 'creators', 'languages', 'tasks', "
            "'places', 'years', 'licence', 'attribution', 'how', 'sources', 'source_terms'. Got "
            "'licens' instead. Did you mean 'licence'? It is told of 'x'.",
        ),
        (
            lambda: lineage({"x": {"years": "1990s"}}), ValueError,
            "The 'datasets' parameter must be whole years in 'years' of 'x'. Got '1990s' instead.",
        ),
        (
            lambda: lineage({}), ValueError,
            "The 'datasets' parameter must be a mapping, a DataFrame or a list of records, one a "
            "dataset. Got none instead.",
        ),
        (
            lambda: lineage("x"), TypeError,
            "The 'datasets' parameter must be a mapping, a DataFrame or a list of records, one a "
            "dataset. Got 'x' instead.",
        ),
        (
            lambda: lineage([{"licence": "MIT"}]), ValueError,
            "The 'datasets' parameter must be a mapping, a DataFrame or a list of records, one a "
            "dataset. Got records without a 'name' instead.",
        ),
        (
            lambda: lineage({"x": "MIT"}), TypeError,
            "The 'datasets' parameter must be names to mappings. Got str to str instead.",
        ),
        (
            lambda: lineage({"x": {"licence": 4}}), TypeError,
            "The 'datasets' parameter must be licences as text. Got 4 instead.",
        ),
        (
            lambda: lineage({"x": {}, "y": {}}).tree("z"), ValueError,
            "The 'dataset' parameter must be one of 'x', 'y'. Got 'z' instead.",
        ),
        (
            lambda: lineage({"x": {}, "y": {}}).facts(), ValueError,
            "The 'dataset' parameter must be the name of a dataset, as nothing derives from "
            "several of them. Got None instead. See `tree()`.",
        ),
        (
            lambda: lineage({"x": {}}, licence="a"), ValueError,
            "The 'licence' parameter must be left out without 'items'. Got 'a' instead.",
        ),
        (
            lambda: lineage({"x": {}}, items=pd.DataFrame({"a": [1]})), ValueError,
            "The 'items' parameter must be given with 'licence' or 'attribution', a column of it. "
            "Got neither instead.",
        ),
        (
            lambda: lineage({"x": {}}, items=pd.DataFrame({"licence": [1]}), licence="licens"),
            ValueError,
            "The 'licence' parameter must be one of the columns 'licence'. Got 'licens' instead. "
            "Did you mean 'licence'?",
        ),
        (
            lambda: lineage({"x": {}, "y": {}}, items=pd.DataFrame({"a": ["MIT"]}), licence="a"),
            ValueError,
            "The 'of' parameter must be the dataset that 'items' is, one of 'x', 'y'. "
            "Got None instead.",
        ),
        (
            lambda: lineage_graph([]), TypeError,
            "The 'lineage' parameter must be a Lineage. Got [] instead.",
        ),
    ],
)  # fmt: skip
def test_errors(call, kind, text):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == text
