"""Texts of strangers that try to be more than text, and what a page did when it got them."""

from __future__ import annotations

from typing import Any

from tests.helpers.html_page import Page

#: Ways out of text, of attributes, of strings and comments of scripts, shaders, styles and XML.
ATTACKS = (
    "</script><script>hacked(1)</script>",
    '"><img src=//evil.example/i onerror=hacked(2)>',
    "'><svg/onload=hacked(3)>",
    "</title></style></textarea></template><iframe srcdoc='<script>top.hacked(4)</script>'>",
    "<!--<script>",
    "-->]]>",
    "${hacked(5)} $title {{hacked(6)}}",
    '\\");hacked(7);//',
    "\\\\';hacked(8);//",
    "\u2028hacked(9)\u2029",
    "*/ hacked(10); /* \n#error hacked\n",
    "<base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example/m>",
    "<link rel=stylesheet href=//evil.example/c><style>@import '//evil.example/s'</style>",
    "} * { background: url(//evil.example/b) }",
    "javascript:hacked(11)",
    "<a href=javascript:hacked(12) id=x autofocus onfocus=hacked(13)>x</a>",
    "<form><button formaction=javascript:hacked(14)>",
    "\u202e\x7f&lt;script&gt;hacked(15)&lt;/script&gt;%3Cscript%3E",
)
HOSTILE = " ".join(ATTACKS)
#: What a file may be called.
NAME = (HOSTILE.replace("/", "\u2215").replace("\n", " "))[:120]

#: Run before anything of the page.
WATCH = """
window.told = [];
window.hacked = (n) => window.told.push(`attack ${n}`);
for (const name of ["alert", "prompt", "confirm", "open"])
  window[name] = () => window.told.push(name);
document.addEventListener("securitypolicyviolation", (event) =>
  window.told.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


class Told:
    """What a page did: the scripts that were compiled, and what it asked for."""

    def __init__(self, page: Page, debugger: Any) -> None:
        self.page, self.debugger = page, debugger
        self.scripts: list[dict[str, Any]] = []
        debugger.on("Debugger.scriptParsed", lambda script: self.scripts.append(script))
        debugger.send("Debugger.enable")

    def sources(self) -> list[str]:
        """Texts of the page's scripts; those of the test and of playwright have no URL."""
        return sorted(
            self.debugger.send("Debugger.getScriptSource", {"scriptId": script["scriptId"]})[
                "scriptSource"
            ]
            for script in self.scripts
            if script["url"] and not script["url"].startswith(("pptr:", "__playwright"))
        )

    def elsewhere(self, base: str) -> list[str]:
        """What was asked for outside the page's folder."""
        own = (base, "data:", "blob:")
        return [url for url in self.page.requests if not url.startswith(own)]
