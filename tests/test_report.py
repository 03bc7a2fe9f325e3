"""The page of an audit: what it says of the map, the trouble and the groups."""

import re

import numpy as np
import pandas as pd
import pytest

import curalab as cl
import curalab_widgets.report._look as module
from curalab_widgets.report import audit_page

TOPICS = [["apple", "pear", "plum", "fig"], ["engine", "wheel", "brake", "gear"]]


@pytest.fixture(scope="module")
def page_and_report():
    """Fruit and cars, 60 texts each, and 6 strange rows that lie together far from both."""
    rng = np.random.default_rng(0)
    topic = np.repeat([0, 1], 60)
    texts = [" ".join(rng.choice(TOPICS[each], size=6)) + f" <b>{n}</b>" for n, each in
             enumerate(topic)] + ["what is this row"] * 6  # fmt: skip
    x = np.concatenate([rng.normal(size=(120, 8)) + 8 * np.eye(8)[topic],
                        6 * rng.normal(size=(6, 8)) + 60 * np.eye(8)[2]])  # fmt: skip
    items = pd.DataFrame({"text": texts, "kind": [*np.array(["fruit", "car"])[topic], *["?"] * 6]})
    emb = cl.Embedding(vectors=x, metric="euclidean", data=items["text"])
    report = cl.audit(items, embedding=emb, labels="kind", random_state=0)
    return audit_page(report, items, emb, label="kind"), report, items, emb


def plain(page):
    return " ".join(re.sub("<[^>]+>", " ", page).split())


def test_it_says_how_far_to_trust_the_map(page_and_report):
    text = plain(page_and_report[0])
    assert re.search(r"How far to trust it: what lies together is .*trustworthiness 0\.9", text)
    assert page_and_report[0].count("<figure>") == 3


def test_it_says_where_the_trouble_lies(page_and_report):
    page, report, *_ = page_and_report
    n = len(report.rows("outliers"))
    said = re.search(
        rf"does not belong \({n}\): of the rows around one on the map \d+% are marked too, by "
        r"chance \d+%: it lies in certain places: look there first\.",
        plain(page),
    )
    assert said, plain(page)


def test_groups_have_titles_sizes_and_their_main_label(page_and_report):
    text = plain(page_and_report[0])
    groups = text[text.index(" Groups ") :]
    assert any(word in groups for word in TOPICS[0])
    assert any(word in groups for word in TOPICS[1])
    assert "fruit (" in groups
    assert "<b>0</b>" not in page_and_report[0]


def test_a_large_table_gets_a_quick_map_and_says_so(page_and_report, monkeypatch):
    _, report, items, emb = page_and_report
    monkeypatch.setattr(module, "_NEAT", 100)
    page = audit_page(report, items, emb, label=None)
    assert "With 126 rows this page shows a quick map and no groups." in plain(page)
    assert "pca of the vectors" in plain(page)


def test_items_are_shown_with_what_they_are_like_and_why():
    rng = np.random.default_rng(0)
    items = pd.DataFrame({"size": rng.normal(size=60).round(3), "kind": ["<i>", "b"] * 30})
    items.loc[7] = items.loc[3]
    items["tags"] = [["x"], ["y"]] * 30
    emb = cl.embed(items, encoder="columns", random_state=0)
    report = cl.audit(items, embedding=emb, random_state=0)
    page = audit_page(report, items, emb, label=None, note="Left out 1 item.")
    assert '<p class="failed">Left out 1 item.</p>' in page
    said = plain(page)
    size = f"{items.loc[3, 'size']:.4g}"
    item = f"size {size}, kind b, tags"
    part = said[said.index("duplicates 1 items") :]
    assert "id item is like why 7 " in part
    assert part.count(item) >= 2
    assert "like 3, similarity 1.00" in part
    assert "Columns that could not be used: tags (for vectors)" in said
    assert "Vectors: columns, " in said
    assert "<i>" not in page.split("<h2>How</h2>")[0].replace("<i style", "")


def test_what_is_about_whole_columns_shows_no_items():
    items = pd.DataFrame({"text": [f"note {n} on {n % 7}" for n in range(40)], "year": 2020})
    emb = cl.Embedding(vectors=np.random.default_rng(0).normal(size=(40, 4)), data=items["text"])
    report = cl.audit(items, embedding=emb, random_state=0)
    page = plain(audit_page(report, items, emb, label=None))
    assert "table: constant columns – year: every value is 2020 leave them out" in page
    assert "table: constant columns – items year: every value is 2020. Do: leave them out." in page


def test_a_map_that_fails_is_told_in_red_and_the_findings_stay(page_and_report, monkeypatch):
    _, report, items, emb = page_and_report

    def fails(*arguments, **settings):
        raise RuntimeError("<b>no</b>")

    monkeypatch.setattr(module, "map_quality", fails)
    page = audit_page(report, items, emb, label="kind")
    said = "<b>The map and the groups failed.</b> RuntimeError: &lt;b&gt;no&lt;/b&gt;</p>"
    assert f'<p class="failed">{said}' in page
    assert f"outliers {len(report.rows('outliers'))} items" in plain(page)
