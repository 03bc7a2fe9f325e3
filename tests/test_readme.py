"""The README's code runs as printed, and what it says of the interface is there."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import curalab as cl
from curalab_widgets import MapPanel, figures

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run_as_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "reviews.csv", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    names = {}
    exec(code, names)
    names["ledger"].close()
    assert len(names["clean"]) == len(names["items"]) - 1
    assert "label_suggested" in capsys.readouterr().out


def test_a_selector_in_a_cell_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    items = cl.samples.digits().head(300)
    emb = cl.Embedding(vectors=np.stack(items["image"].tolist()).reshape(300, -1), ids=items.index)
    code = next(c for c in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "cl.bench" in c)
    names = {
        "cl": cl, "np": np, "figures": figures, "items": items, "emb": emb,
        "train": items.index[:200], "test": items.index[200:],
    }  # fmt: skip
    exec(code, names)
    frame = names["board"].to_frame()
    assert frame.index[-1] == "rare_first"
    assert frame.loc["rare_first", "over_random_high"] < 0
    assert frame["error"].eq("").all()


def test_four_lines_from_a_folder_of_images_to_a_named_map(tmp_path, monkeypatch):
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for row in cl.samples.digits().head(120).itertuples():
        path = tmp_path / "photos" / str(row.label) / f"{row.Index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.uint8(row.image * (255 / row.image.max()))).save(path)
    every = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    code = next(found for found in every if "photos" in found)
    lines = code.strip().splitlines()
    assert len(lines) == 4
    names = {"cl": cl, "MapPanel": MapPanel}
    exec(code.replace("MapPanel(", "panel = MapPanel("), names)
    assert names["panel"].color == "cluster_title"
    assert names["why"].titles().str.endswith(".png and similar").all()


def test_three_lines_from_a_few_labels_to_accepted_ones(tmp_path):
    table = cl.samples.digits()
    kept = np.random.default_rng(0).random(len(table)) < 0.15
    items = pd.DataFrame({"label": table["label"].astype(object).where(kept, None)})
    emb = cl.Embedding(vectors=np.stack([i.ravel() for i in table["image"]]), ids=table.index)
    every = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    code = next(found for found in every if "honesty" in found)
    with cl.Ledger(tmp_path / "digits.ledger") as ledger:
        exec(code, {"cl": cl, "emb": emb, "items": items, "ledger": ledger})
        clean = ledger.apply(items)["label"]
    accepted = items["label"].isna() & clean.notna()
    assert accepted.sum() > 1000
    assert (clean == table["label"])[accepted].mean() > 0.93


@pytest.mark.parametrize("kind", ["texts", "table"])
def test_the_same_four_lines_from_a_csv(kind, tmp_path, monkeypatch):
    """With the two changes that the README names."""
    monkeypatch.setenv("CURALAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    every = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    code = next(found for found in every if "photos" in found)
    if kind == "texts":
        shutil.copy(ROOT / "data" / "reviews.csv", "photos.csv")
        code = code.replace('items["image"]', 'items["text"]').replace("patches", "minilm")
    else:
        rng = np.random.default_rng(0)
        groups = {"wings": rng.normal(size=90) + np.repeat([0, 9], 45), "age": rng.random(90)}
        pd.DataFrame(groups).to_csv("photos.csv", index=False)
        code = code.replace('items["image"]', "items").replace("patches", "columns")
    code = code.replace('"photos"', '"photos.csv"')
    names = {"cl": cl, "MapPanel": MapPanel}
    exec(code.replace("MapPanel(", "panel = MapPanel("), names)
    titles = names["why"].titles()
    if kind == "texts":
        assert titles.str.count(",").eq(2).all()
    else:
        assert sorted(title.split()[0] for title in titles) == ["wings", "wings"]
        assert not titles.str.contains("covers").any()
    assert names["panel"].color == "cluster_title"


def test_every_name_in_the_readme_exists():
    for name in re.findall(r"`cl\.(\w+)", TEXT):
        assert hasattr(cl, name), name


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / target).exists(), target
