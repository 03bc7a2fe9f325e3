"""The harness itself: what lab.py promises, on notebooks of a few cells."""

from __future__ import annotations

import os

import pytest

SLIDER = ("import ipywidgets\nslider = ipywidgets.IntSlider(value=3, max=10)", "slider")
SCATTER = (
    """
import jscatter, numpy, pandas
rng = numpy.random.default_rng(0)
points = pandas.DataFrame(rng.normal(size=(500, 2)), columns=["x", "y"])
points["group"] = numpy.where(points["x"] > 0, "right", "left")
scatter = jscatter.Scatter(data=points, x="x", y="y", color_by="group", size=8, height=400)
""",
    "scatter.show()",
)


def test_a_slider_is_moved_by_hand_and_read_in_python(lab, write_notebook):
    lab.open(write_notebook("slider", *SLIDER))
    lab.run_all()
    assert lab.value("slider.value") == 3
    handle = lab.output(1).locator(".noUi-handle")
    handle.press("ArrowRight")
    assert lab.wait_for("slider.value > 3 and slider.value") == 4
    lab.execute("slider.value = 9")
    lab.output(1).get_by_text("9", exact=True).wait_for()
    assert lab.value("__import__('numpy').arange(3)[1:]") == [1, 2]
    assert lab.save().read_text().count('"cell_type"') == 2


def test_webgl_draws_and_a_lasso_selects(lab, write_notebook):
    lab.open(write_notebook("scatter", *SCATTER))
    lab.run_all()
    canvas = lab.output(1).locator("canvas").first
    lab.wait_drawn(canvas)
    lab.output(1).get_by_role("button").nth(1).click()  # the lasso of the toolbar
    right_half = [(0.5, 0.02), (0.98, 0.02), (0.98, 0.98), (0.5, 0.98), (0.5, 0.02)]
    lab.drag_until(canvas, right_half, "len(scatter.selection()) > 0")
    inside = "points.index.isin(scatter.selection())"
    leftmost_inside = lab.value(f"points['x'][{inside}].min()")
    rightmost_outside = lab.value(f"points['x'][~{inside} & (points['y'].abs() < 2)].max()")
    assert -1 < rightmost_outside < leftmost_inside < 0
    lab.screenshot("lab-scatter", of=lab.output(1))


def test_errors_of_cells_and_of_kernel_code_are_raised(lab, write_notebook):
    lab.open(write_notebook("broken", "a = 1", "a / 0"))
    with pytest.raises(RuntimeError, match=r"broken\.ipynb failed:[\s\S]*ZeroDivisionError"):
        lab.run_all()
    with pytest.raises(RuntimeError, match="NameError"):
        lab.value("b")
    with pytest.raises(RuntimeError, match="b / 0: NameError"):
        lab.execute("b / 0")
    with pytest.raises(TimeoutError, match=r"Waited 1 s for a == 2 in the kernel"):
        lab.wait_for("a == 2", timeout=1)


def test_a_killed_kernel_is_replaced_and_the_notebook_opens_again(lab, write_notebook):
    lab.open(write_notebook("killed", "a = 1"))
    lab.run_all()
    pid = lab.value("__import__('os').getpid()")
    assert pid != os.getpid()
    lab.kill_kernel()
    assert lab.value("__import__('os').getpid()") != pid
    with pytest.raises(RuntimeError, match="NameError"):
        lab.value("a")
    lab.open("killed.ipynb")
    lab.run_all()
    assert lab.execute("print(a + 1)") == "2\n"
    lab.restart()
    with pytest.raises(RuntimeError, match="NameError"):
        lab.value("a")
