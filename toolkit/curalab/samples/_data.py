"""Real data that comes with what the toolkit already needs."""

from __future__ import annotations

import ast
import gc
import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from curalab._check import check_choice

# Named one by one, so that a new folder or another installed package changes nothing.
_SUBPACKAGES = {
    "numpy": "fft lib linalg ma polynomial",
    "scipy": "cluster fft integrate interpolate io linalg ndimage optimize signal sparse spatial "
    "special stats",
    "pandas": "core.arrays core.dtypes core.groupby core.indexes core.internals core.strings "
    "core.window io plotting tseries",
    "sklearn": "cluster covariance datasets decomposition ensemble feature_extraction "
    "feature_selection gaussian_process linear_model manifold metrics model_selection neighbors "
    "neural_network preprocessing svm tree utils",
}
_FEWEST_WORDS = 8
_SECTION = re.compile(r"^ *\S[^\n]*\n *(?:-{3,}|={3,}) *$", re.MULTILINE)
_TABLES = ("breast_cancer", "diabetes", "iris", "wine")


def digits() -> pd.DataFrame:
    """Return 1,797 real handwritten digits, as images with their labels.

    Returns
    -------
    DataFrame
        Column `image`: arrays of shape (8, 8), uint8, 0 is paper and 255 is
        ink. Column `label`: the digit as a string, "0" to "9", because it is
        the name of a class and not a number to compute with. Ids are
        "digit-0000" to "digit-1796", in scikit-learn's order.

    Notes
    -----
    The test part of "Optical Recognition of Handwritten Digits" (Alpaydin and
    Kaynak 1998, UCI Machine Learning Repository, CC BY 4.0), written by 13
    people and shipped with scikit-learn.

    Examples
    --------
    >>> import curalab as cl
    >>> items = cl.samples.digits()
    >>> items.loc["digit-0003", "label"], items.loc["digit-0003", "image"].shape
    ('3', (8, 8))
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    ids = pd.Index([f"digit-{i:04d}" for i in range(len(images))], name="id")
    columns = {
        "image": pd.Series(list(images), index=ids, dtype=object),
        "label": pd.Series(bunch.target.astype(str), index=ids),
    }
    return pd.DataFrame(columns)


def tables(name: str = "wine") -> pd.DataFrame:
    """Return one of scikit-learn's real tables.

    Parameters
    ----------
    name : {"breast_cancer", "diabetes", "iris", "wine"}, default="wine"
        569, 442, 150 or 178 rows; 30, 10, 4 or 13 columns of measurements.

    Returns
    -------
    DataFrame
        The measurements as numbers, in their units, and the column `label`:
        the name of the class or, for diabetes, the progression of the disease
        after a year, as a number. Ids are "wine-000", "wine-001", …

    Notes
    -----
    From the UCI Machine Learning Repository (CC BY 4.0), diabetes from Efron
    et al. (2004); all shipped with scikit-learn.

    Examples
    --------
    >>> import curalab as cl
    >>> cl.samples.tables("iris")["label"].unique().tolist()
    ['setosa', 'versicolor', 'virginica']
    """
    from sklearn import datasets

    check_choice("name", name, _TABLES)
    settings = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(as_frame=True, **settings)
    names = bunch.get("target_names")
    label = bunch.target if names is None else np.asarray(names)[bunch.target]
    ids = pd.Index([f"{name}-{i:03d}" for i in range(len(bunch.data))], name="id")
    measured: pd.DataFrame = bunch.data.set_axis(ids)
    return measured.assign(label=np.asarray(label))


def docstrings() -> pd.DataFrame:
    """Return the prose of several thousand documentation strings, by subpackage.

    Real English text about many subjects, with natural near-duplicates: the
    same sentence about a Series and an Index, or about two distributions.

    Returns
    -------
    DataFrame
        Column `text`: what a public function, class or method says about
        itself before the list of its parameters, at least 8 words. Column
        `label`: the subpackage, such as "scipy.stats". The id is the qualified
        name. The rows depend on the installed versions of numpy, scipy, pandas
        and scikit-learn (BSD licences), and on nothing else.

    Notes
    -----
    Read from the installed source with `ast`, without importing it; tests are
    left out. Takes about two seconds.

    Examples
    --------
    >>> import curalab as cl
    >>> items = cl.samples.docstrings()  # doctest: +SKIP
    >>> items.loc["numpy.lib._arraysetops_impl.unique", "text"]  # doctest: +SKIP
    'Find the unique elements of an array. Returns the sorted unique elements …'
    """
    rows: dict[str, tuple[str, str]] = {}
    for package, subpackages in _SUBPACKAGES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ImportError(f"The source of {package!r} must be installed to read it.")
        for subpackage in subpackages.split():
            label = f"{package}.{subpackage}"
            with _no_collecting():
                for name, text in _read(Path(spec.origin).parent, label):
                    rows.setdefault(name, (text, label))
    ids = pd.Index(list(rows), name="id")
    return pd.DataFrame(list(rows.values()), columns=["text", "label"], index=ids)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Pause garbage collection, which finds no cycles in syntax trees and triples the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(root: Path, label: str) -> Iterator[tuple[str, str]]:
    folder = root.joinpath(*label.split(".")[1:])
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.as_posix()):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if not any(part.startswith("test") or part == "conftest" for part in parts):
            yield from _documented(ast.parse(path.read_bytes()).body, ".".join(parts))


def _documented(body: list[ast.stmt], name: str) -> Iterator[tuple[str, str]]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        words = _SECTION.split(ast.get_docstring(node) or "", maxsplit=1)[0].split()
        if len(words) >= _FEWEST_WORDS:
            yield f"{name}.{node.name}", " ".join(words)
        if isinstance(node, ast.ClassDef):
            yield from _documented(node.body, f"{name}.{node.name}")
