"""A page that stands alone: no scripts, no addresses of other files."""

from __future__ import annotations

from html import escape

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.2rem; } small { opacity: .7; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #8884;
  vertical-align: top; overflow-wrap: break-word; }
td p { margin: 0; } td img { max-width: none !important; }
.failed { color: #c00; } .legend span { margin-right: 1rem; white-space: nowrap; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 50%;
  margin-right: .35em; }
.maps { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; max-width: 460px; }
code { background: #8882; padding: .1em .3em; border-radius: .25em; }
"""


def page(title: str, body: str) -> str:
    """Return `body`, which is HTML already, as a whole page in either theme."""
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    )
