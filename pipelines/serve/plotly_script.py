"""The chart script that comes with the plotly package, served from there so that no page needs the network."""

import re
from importlib.util import find_spec
from pathlib import Path

_STYLE_GUARD = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


def script_path() -> Path:
    """Give the file of the script, without importing the package."""
    spec = find_spec("plotly")
    assert spec is not None, "plotly is a dependency"
    assert spec.origin is not None, "plotly is a package with files"
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"


def style_ids() -> tuple[str, ...]:
    """Give the ids of the style elements that the script would add as it loads (for maps, which no page draws).

    The security policy forbids them; the script adds none where an element of that id is there already.
    """
    return tuple(sorted({found.decode() for found in _STYLE_GUARD.findall(script_path().read_bytes())}))
