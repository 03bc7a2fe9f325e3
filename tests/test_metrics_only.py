"""Data that must not be looked at: every output is searched for what was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import curalab as cl
from curalab.app import main
from curalab.documents import knowledge_graph, labeling_guide
from curalab_widgets import ClusterPanel, DuplicatePanel, MapPanel, ReviewPanel
from curalab_widgets._cards import Cards

SECRET = "zyxwv"  # in every text, class, id, note and name


def secret(kind: str, n: int) -> list[str]:
    return [f"{SECRET}-{kind}-{i}" for i in range(n)]


@pytest.fixture(scope="module")
def items():
    rng = np.random.default_rng(0)
    kind = np.arange(90) % 3
    words = [f"{SECRET}{'abc'[k]} {SECRET}{'def'[k]} {SECRET}{rng.integers(40)}" for k in kind]
    texts = [f"{word} of the long night" for word in words]
    texts[4] = texts[7] = texts[1]
    table = pd.DataFrame({"text": texts, "label": [f"{SECRET} class {k}" for k in kind]})
    table["site"] = [f"{SECRET} site {i % 2}" for i in range(90)]
    table["same"] = f"{SECRET} everywhere"
    table.loc[0, "label"] = f"{SECRET} class 2"
    return table.set_index(pd.Index(secret("id", 90), name="id"))


@pytest.fixture(scope="module")
def found(items):
    """What the stages return, by name."""
    emb = cl.embed(items["text"], encoder="tfidf", random_state=0, cache=False)
    clu = cl.cluster(emb, method="kmeans", random_state=0)
    labels = items["label"]
    few = labels.where(np.arange(90) < 30)
    proba = pd.get_dummies(labels, dtype=float).to_numpy() * 0.8 + 0.2 / 3
    bad = cl.find_label_errors(emb, labels, proba=proba, random_state=0)
    return {
        "embedding": emb,
        "clusters": clu,
        "words": cl.explain(emb, clu, items=items, random_state=0),
        "copies": cl.find_duplicates(emb),
        "errors": bad,
        "odd": cl.find_outliers(emb, random_state=0),
        "shift": cl.find_shift(emb, groups=items["site"], random_state=0),
        "proposed": cl.pseudo_label(emb, few, random_state=0),
        "picks": cl.select(emb, 5, labels=labels, random_state=0),
        "guide": labeling_guide(emb, labels, items=items, proba=proba, random_state=0),
        "audit": cl.audit(items, embedding=emb, labels="label", groups="site", random_state=0),
        "lineage": cl.lineage({"a": {"licence": "MIT"}}, items=items.assign(l="MIT"), licence="l"),
    }


@pytest.fixture
def ledger(tmp_path, items):
    with cl.Ledger(tmp_path / "own.ledger") as opened:
        same = {"actor": f"{SECRET} Ann", "reason": f"{SECRET} as I know this person"}
        new = {"field": "label", "new": f"{SECRET} class 0"}
        opened.record(items.index[0], action="relabel", **new, **same)
        opened.record(items.index[3], action="drop", **same)
        yield opened


def test_reprs_hold_no_item_class_note_or_person(found, items, ledger):
    shown = [*found.values(), ledger, knowledge_graph(items, ledger, decisions=True)]
    plain = "".join(each._repr_html_() for each in shown)
    assert plain.count(SECRET) > 100  # there is something to hide
    with cl.metrics_only():
        hidden = "".join(each._repr_html_() + repr(each) for each in shown)
    assert SECRET not in hidden
    assert "label errors" in hidden


def test_cards_and_exports_hold_counts(found, items, ledger, tmp_path):
    clean = ledger.apply(items)
    assert SECRET in cl.card(clean, ledger)
    with cl.metrics_only():
        card = cl.card(clean, ledger, audit=found["audit"])
        folder = cl.export(clean, tmp_path / "out", ledger=ledger)
    assert SECRET not in card
    assert "89 rows after curation." in card
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert sorted(file.name for file in files) == ["README.md", "export.json", "metrics.json"]
    for file in files:
        assert SECRET.encode() not in file.read_bytes()


def test_what_shows_items_is_refused(found, items, ledger):
    emb, view = found["embedding"], np.zeros((90, 2))
    told = (
        " shows items, and metrics_only() or CURALAB_METRICS_ONLY says that these must not be "
        "looked at. Leave the with block, or unset the variable, where they may be."
    )
    makers = {
        "The labelling guide": found["guide"].to_markdown,
        "A card": lambda: Cards(items),
    }
    panels = [
        lambda: MapPanel(view, items),
        lambda: ClusterPanel(emb, items, method="kmeans"),
        lambda: DuplicatePanel(found["copies"], items),
        lambda: ReviewPanel(found["errors"], items, ledger),
    ]
    with cl.metrics_only():
        for what, make in makers.items():
            with pytest.raises(PermissionError) as caught:
                make()
            assert str(caught.value) == what + told
        for make in panels:
            with pytest.raises(PermissionError, match="says that these must not be looked at"):
                make()
    assert MapPanel(view, items).selected == []


def test_a_session_is_told_by_its_environment(items, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    path, out = tmp_path / "items.csv", tmp_path / "out"
    items.to_csv(path)
    asked = ["audit", str(path), "--id", "id", "--text", "text", "--label", "label"]
    asked += ["--out", str(out)]
    assert main(asked) == 0
    said = capsys.readouterr()
    assert SECRET in (out / "report.html").read_text(encoding="utf-8")
    (out / "items.csv").unlink()
    monkeypatch.setenv("CURALAB_METRICS_ONLY", "1")
    assert main(asked) == 0
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert "label errors" in said.out
    assert [file.name for file in out.iterdir()] == ["report.html"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert SECRET not in page
    assert "label errors" in page
    monkeypatch.setenv("CURALAB_METRICS_ONLY", "0")
    assert MapPanel(np.zeros((90, 2)), items).selected == []
