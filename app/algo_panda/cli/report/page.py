"""A run as one HTML file that needs nothing else: no server, no network.

The same run gives the same file, to the byte: nothing in it says when it was written or how long
the run took.
"""

import base64
import hashlib
import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from algo_panda.cli.replay_view import ReplayReport
from algo_panda.cli.report.contents import Contents
from algo_panda.cli.report.facts import Facts
from algo_panda.replay.prices import Prices


def page_of(report: ReplayReport, prices: Prices) -> str:
    """The page of a run."""
    contents = Contents(report, prices)
    environment = Environment(
        loader=PackageLoader("algo_panda.cli.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sources = [get_plotlyjs(), _file(environment, "report.js")]
    page: str = environment.get_template("report.html.jinja").render(
        contents=contents,
        facts=Facts(report),
        run=report,
        data=in_script(contents.charts()),
        style=Markup(_file(environment, "report.css")),  # noqa: S704 - our own file
        scripts=[Markup(source) for source in sources],  # noqa: S704 - ours and plotly's
        hashes=" ".join(map(_hash, sources)),
    )
    return page


def _file(environment: Environment, name: str) -> str:
    loader = environment.loader
    assert loader is not None  # noqa: S101 - it was made with one
    return loader.get_source(environment, name)[0]


def in_script(value: Any) -> Markup:  # noqa: ANN401 - charts are of any depth
    """JSON that no HTML parser sees the end of a script in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(safe)  # noqa: S704 - see above


def _hash(source: str) -> str:
    """How a Content-Security-Policy names a script that may run."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
