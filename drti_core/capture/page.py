"""What pages about a capture share: how they look, pictures in them, and text that is no markup."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np

from drti_core.arrays import U8
from drti_core.io.names import as_text

STYLE = """
:root { color-scheme: light dark; --paper: #faf9f6; --ink: #1e1e1e; --faint: #78766f;
  --line: #dedcd6; --bad: #b3261e; --fill: #58843e33; }
@media (prefers-color-scheme: dark) { :root { --paper: #1c1b1a; --ink: #ecebe8; --faint: #a09d96;
  --line: #3c3a37; --bad: #ff8a80; } }
body { background: var(--paper); color: var(--ink); font: 14px/1.45 system-ui, sans-serif;
  margin: 24px auto; max-width: 1100px; padding: 0 16px; }
h1 { font-size: 20px; margin: 0 0 4px; overflow-wrap: anywhere; }
p, ul { margin: 4px 0 12px; } li { margin: 2px 0; } .faint { color: var(--faint); }
.bad { color: var(--bad); } .top { display: flex; flex-wrap: wrap; gap: 24px; }
.top > div { flex: 1 1 420px; } svg { flex: 0 0 300px; max-width: 100%; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 12px; }
figure { margin: 0; border: 2px solid var(--line); border-radius: 6px; padding: 6px;
  overflow-wrap: anywhere; }
figure.bad { border-color: var(--bad); color: inherit; } img { width: 100%; display: block; }
figcaption { font-size: 12px; } figcaption b { display: block; margin-top: 4px; }
""".strip()


def data_uri(picture: U8) -> str:
    """A picture as a data URI."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "jpeg", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def plain(text: str) -> str:
    """Text of a page; a file name may hold bytes that are no text."""
    return escape(as_text(text))
