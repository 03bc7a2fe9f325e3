"""The README's code runs as printed, and what it says of the interface is there."""

import re
import shutil
from pathlib import Path

import curalab as cl

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


def test_every_name_in_the_readme_exists():
    for name in re.findall(r"`cl\.(\w+)", TEXT):
        assert hasattr(cl, name), name


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / target).exists(), target
