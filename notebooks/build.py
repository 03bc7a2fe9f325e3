"""Make the course: `python notebooks/build.py --out out/book`, or `make book`.

Every lesson is executed once, with the solutions in its exercises, and the build fails where a
cell stops with an error or a check does not pass. Of what was executed two things are made: the
pages of the site in OUT/html, where the exercises are as they are set, and the solved copies for
instructors in OUT/solved. A lesson is executed again when its source, or that of the packages,
has changed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from book.execution import Done, Run, execute_all, fingerprint, lesson_page
from book.lessons import Lesson, contents, find_lessons

HERE = Path(__file__).resolve().parent
PACKAGES = [HERE.parent / name for name in ("toolkit", "widgets")]


def main(argv: list[str] | None = None) -> int:
    """Execute the lessons and write the site; return how many lessons failed."""
    asked = arguments().parse_args(argv)
    asked.out = asked.out.resolve()  # kernels run in folders of their own
    began = time.perf_counter()
    lessons = chosen(find_lessons(asked.notebooks), asked.only)
    cache = asked.out / "cache"
    if asked.seeds:
        runs = [
            Run(path=one.path, name=f"{one.name}, student {student}", student=str(student))
            for one in lessons
            for student in range(1, asked.seeds + 1)
        ]
        return report(execute_all(runs, cache=cache, jobs=asked.jobs), began)
    failed = report(executed(lessons, asked.out, jobs=asked.jobs, force=asked.force), began)
    write_times(lessons, asked.out)
    return failed or (0 if asked.no_site else write_site(asked.notebooks, asked.out))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Execute the lessons and make the course's site.")
    parser.add_argument("--out", type=Path, required=True, help="where to write")
    parser.add_argument("--only", nargs="+", metavar="NN", help="these lessons, such as 05 11a")
    parser.add_argument("--jobs", type=int, default=2, help="lessons at a time (default: 2)")
    parser.add_argument("--force", action="store_true", help="execute what has not changed, too")
    parser.add_argument("--no-site", action="store_true", help="execute only")
    parser.add_argument(
        "--seeds", type=int, default=0, metavar="N", help="execute for students 1 to N; no pages"
    )
    parser.add_argument("--notebooks", type=Path, default=HERE, help=argparse.SUPPRESS)
    return parser


def chosen(lessons: list[Lesson], only: list[str] | None) -> list[Lesson]:
    unknown = set(only or []) - {lesson.number for lesson in lessons}
    if unknown:
        known = ", ".join(lesson.number for lesson in lessons)
        raise SystemExit(f"There is no lesson {', '.join(sorted(unknown))}; there are {known}.")
    return [lesson for lesson in lessons if only is None or lesson.number in only]


def report(done: list[Done], began: float) -> int:
    """Say what went wrong; return how many notebooks did."""
    for one in done:
        for fault in one.faults:
            print(f"\n{'-' * 100}\n{fault}", file=sys.stderr)
    failed = sum(bool(one.faults) for one in done)
    seconds = time.perf_counter() - began
    print(f"{len(done)} executed in {seconds:.0f} s" + f", {failed} FAILED" * bool(failed))
    return failed


# ---- what is kept of an execution ----------------------------------------------------------------


def executed(lessons: list[Lesson], out: Path, *, jobs: int, force: bool) -> list[Done]:
    """Execute the lessons that have changed and keep the page and the solved copy of each."""
    for name in ("pages", "solved", "cache"):
        (out / name).mkdir(parents=True, exist_ok=True)
    packages = fingerprint(PACKAGES)

    def source(text: bytes) -> str:
        return hashlib.sha256(packages.encode() + text).hexdigest()

    def keep(done: Done) -> None:
        path = done.run.path
        stamp_of(path, out).unlink(missing_ok=True)
        nbformat.write(done.book, out / "solved" / path.name)
        if not done.faults:
            asked = nbformat.reads(done.text.decode(), as_version=4)
            nbformat.write(lesson_page(asked, done.book), out / "pages" / path.name)
            said = {"source": source(done.text), "seconds": round(done.seconds, 1)}
            stamp_of(path, out).write_text(json.dumps(said), encoding="utf-8")

    paths = [lesson.path for lesson in lessons]
    stale = [
        path
        for path in paths
        if force or stamp(path, out).get("source") != source(path.read_bytes())
    ]
    runs = [Run(path=path, name=path.stem) for path in stale]
    return execute_all(runs, cache=out / "cache", jobs=jobs, keep=keep)


def stamp_of(path: Path, out: Path) -> Path:
    return out / "pages" / f"{path.stem}.json"


def stamp(path: Path, out: Path) -> dict[str, object]:
    """Return what is kept of a lesson's last execution that succeeded; empty without one."""
    kept = stamp_of(path, out)
    return json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}


def write_times(lessons: list[Lesson], out: Path) -> None:
    with (out / "times.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["lesson", "seconds"])
        rows.writerows([one.name, stamp(one.path, out).get("seconds", "")] for one in lessons)


# ---- the site ------------------------------------------------------------------------------------


def write_site(notebooks: Path, out: Path) -> int:
    """Lay out the pages in OUT/source and let Sphinx make OUT/html; return its exit status."""
    lay_out(sources(notebooks, out), out / "source")
    shutil.rmtree(out / "html", ignore_errors=True)  # pages of lessons that are no more
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "2"]
    folders = ["-c", HERE, "-d", out / "doctrees", out / "source", out / "html"]
    began = time.perf_counter()
    kept = os.environ | {"CURALAB_CACHE": str(out / "cache"), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run([*command, *map(str, folders)], env=kept, check=False)
    seconds = time.perf_counter() - began
    print(
        f"{out / 'html' / 'index.html'} made in {seconds:.0f} s" + ", FAILED" * bool(ran.returncode)
    )
    if ran.returncode:  # what is read already would not be warned of again
        shutil.rmtree(out / "doctrees", ignore_errors=True)
    return ran.returncode


def sources(notebooks: Path, out: Path) -> dict[str, bytes]:
    """Return what Sphinx is to read: lessons, written pages, generated ones, and pictures."""
    from book.catalogue import catalogue_page
    from book.reference import api_pages

    root = HERE.parent
    lessons = [one for one in find_lessons(notebooks) if stamp(one.path, out)]
    texts = {"methods.rst": catalogue_page(root / "tests" / "bench"), **api_pages()}
    texts["_generated/lessons.md"] = contents(lessons)
    texts["_generated/solved.md"] = solved_list(lessons)
    written = [*notebooks.glob("*.md"), *notebooks.glob("images/*")]
    files = {str(path.relative_to(notebooks)): path for path in written}
    files |= {one.path.name: out / "pages" / one.path.name for one in lessons}
    files["changelog.md"] = root / "CHANGELOG.md"
    return {
        **{name: text.encode() for name, text in texts.items()},
        **{name: path.read_bytes() for name, path in files.items()},
    }


def solved_list(lessons: list[Lesson]) -> str:
    """Return links to the solved copies, as MyST Markdown."""
    lines = [f"- {{download}}`{one.path.name} <../solved/{one.path.name}>`" for one in lessons]
    return "\n".join([*lines, ""])


def lay_out(files: dict[str, bytes], folder: Path) -> None:
    """Make a folder hold these files and no others; what has not changed is left alone."""
    for path in list(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


if __name__ == "__main__":
    raise SystemExit(main())
