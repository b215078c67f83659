"""``drti plugins``: what is installed, and what failed to load."""

from __future__ import annotations

from dataclasses import asdict

from drti_core.cli import console
from drti_core.registry.catalogue import registry


def plugins(json: console.Json = False) -> None:
    """List codecs, readers, writers, exporters, verbs and hooks, from where; what failed, why."""
    report = registry().report()
    if json:
        console.say_json([asdict(listing) for listing in report])
        return
    good = [item for item in report if item.error is None]
    rows = [
        [
            item.kind,
            item.plugin_id,
            item.summary,
            ", ".join(f"{name}={value}" for name, value in item.options.items()),
            item.source,
            item.target,
        ]
        for item in good
    ]
    console.say_table(("kind", "id", "summary", "preset", "from", "where"), rows)
    for item in report:
        if item.error is not None:
            console.say(
                f"failed: {item.kind} {item.plugin_id} from {item.source} ({item.target}): "
                f"{item.error}"
            )
