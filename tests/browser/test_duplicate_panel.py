"""The panel of duplicates in a real JupyterLab: every path of it, by mouse and by keys."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.full

TEXTS = '''
import numpy as np
import pandas as pd
import curalab as cl
from curalab.duplicates import NearText
from curalab_widgets.duplicates import DuplicatePanel

said = """The battery lasts two full days and the screen is bright even in the sun of a beach.
The room was clean, the staff friendly, and breakfast had more fruit than we could eat.
It broke after one week and nobody answered my letters about the refund that I was promised.
A quiet keyboard with keys that feel right, though the cable is a little too short for my desk.
The soup was cold when it came and the waiter had forgotten half of what we had ordered.
My daughter reads it every evening and knows the pictures of the animals by heart by now."""
rng = np.random.default_rng(3)
rows = []
for at, text in enumerate(said.splitlines()):
    for copy in range([3, 2, 4, 2, 2, 2][at]):
        words = text.split()
        for where in rng.choice(len(words) - 2, size=min(copy, 2) + (copy == 3), replace=False):
            words[where] = rng.choice(["really", "very", "so", "quite"]) + " " + words[where]
        is_bad = at in (2, 4)
        rows.append({"text": " ".join(words), "stars": 1 if is_bad else 5 - copy // 2,
                     "shop": ["north", "south"][copy % 2], "label": "bad" if is_bad else "good"})
rows[1]["label"] = "bad"
items = pd.DataFrame(rows)
items.index = [f"review-{n:03d}" for n in rng.permutation(len(items))]
emb = cl.Pool(embedding=cl.Embedding(vectors=rng.normal(size=(len(items), 4)), ids=items.index),
              data=items[["text"]])
duplicates = cl.find_duplicates(emb, method=NearText(), threshold=0.5, random_state=0)
'''
PANEL = """
ledger = cl.Ledger("copies.ledger")
panel = DuplicatePanel(duplicates, items, ledger=ledger, actor="Ann")
panel
"""
IMAGES = """
import numpy as np
import curalab as cl
from curalab.samples import digits
from curalab_widgets.duplicates import DuplicatePanel

some, kinds = digits().iloc[:600], ["exact", "jittered"]
planted = cl.plant_duplicates(some, share=0.2, kind=kinds, random_state=0)
items = planted.items
pixels = np.stack(items["image"]).reshape(len(items), -1).astype("float32")
duplicates = cl.find_duplicates(cl.Embedding(vectors=pixels, ids=items.index), threshold=0.98)
"""
THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"


@pytest.fixture
def in_the_dark(lab):
    """Return a function that takes a picture of an element under the dark theme."""

    def picture(name, element):
        lab.page.evaluate(THEME, "JupyterLab Dark")
        lab.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
        lab.page.wait_for_timeout(500)  # colours fade over
        lab.screenshot(name, of=element)

    yield picture
    lab.page.evaluate(THEME, "JupyterLab Light")


def test_groups_are_decided_and_pairs_judged(lab, write_notebook, in_the_dark):
    lab.open(write_notebook("copies", TEXTS, PANEL))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    panel.locator(".curalab-duplicates-card").first.wait_for()
    n = lab.value("panel.result.n_groups")
    assert panel.locator(".curalab-duplicates-kept").count() == 1
    lab.screenshot("duplicates-groups-light", of=panel)

    # A key or a click chooses which one to keep; D drops the others, and the next group shows.
    was = lab.value("panel.selected")
    lab.execute("before = panel.result.keep.copy()")
    panel.locator(".curalab-duplicates-choice").last.click()
    lab.wait_for("len(panel.chosen) == 1")
    lab.page.keyboard.press("1")
    lab.wait_for("bool(panel.result.keep[items.index.get_loc(panel.selected[0])])")
    lab.page.keyboard.press("d")
    lab.wait_for("panel.decided == 1")
    assert lab.value("ledger.decisions()['action'].tolist()") == ["keep"] + ["drop"] * (
        len(was) - 1
    )
    lab.page.keyboard.press("n")
    lab.wait_for("panel.decided == 2")
    panel.get_by_role("button", name="Undo (U)").click()
    lab.wait_for("panel.decided == 1")
    panel.get_by_role("button", name="Skip (S)").click()

    # A killed kernel loses nothing.
    lab.kill_kernel()
    lab.open("copies.ipynb")
    lab.run_all()
    panel.get_by_text(f"1 of {n} groups decided").wait_for()

    # The slider, by keys: so do hands that have no mouse.
    slider = panel.get_by_role("slider")
    slider.focus()
    for _ in range(5):
        lab.page.keyboard.press("PageUp")
    lab.wait_for("panel.threshold > 0.524 and panel._work.is_idle")
    left = lab.value("panel.result.n_groups")
    panel.get_by_text(f"{left} groups, ").wait_for()
    lab.execute("panel.threshold = 0.5")
    panel.get_by_role("combobox").select_option("conflicts first")
    lab.wait_for("panel.order == 'conflicts'")

    # Pairs, by Y and N; the verdicts say from where on they hold.
    panel.get_by_role("button", name="Judge pairs").click()
    lab.wait_for("panel.mode == 'pairs'")
    panel.get_by_role("button", name="Duplicates (Y)").wait_for()
    lab.page.keyboard.press("n")
    lab.wait_for("len(panel.verdicts) == 1")
    for judged in range(2, 6):
        lab.page.keyboard.press("y")
        lab.wait_for(f"len(panel.verdicts) == {judged}")
    panel.get_by_text("pairs are duplicates").wait_for()
    lab.screenshot("duplicates-pairs-light", of=panel)
    in_the_dark("duplicates-pairs-dark", panel)

    panel.get_by_role("button", name="Groups", exact=True).click()
    lab.wait_for("panel.mode == 'groups'")
    in_the_dark("duplicates-groups-dark", panel)
    panel.get_by_role("button", name="Drop copies in all").click()
    lab.wait_for("panel.decided == panel.result.n_groups")
    lab.page.keyboard.press("u")
    lab.wait_for("panel.decided < panel.result.n_groups")
    assert lab.errors() == []
    assert lab.problems == []


def test_images_side_by_side(lab, write_notebook, in_the_dark):
    lab.open(write_notebook("images", IMAGES, PANEL.replace("copies", "images")))
    lab.run_all()
    panel = lab.output(1).locator(".curalab-panel")
    panel.locator(".curalab-duplicates-card img").first.wait_for()
    lab.screenshot("duplicates-images-light", of=panel)
    in_the_dark("duplicates-images-dark", panel)
    lab.execute("panel.selected = panel.ids[panel.result.group == 5][:1]")
    panel.locator(".curalab-duplicates-card").first.wait_for()
    assert lab.problems == []
