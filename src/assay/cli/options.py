"""Options that mean the same in every command that has them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="Address of the server; else ASSAY_BASE_URL, else http://127.0.0.1:8321.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Data folder of the server; else ASSAY_DATA_DIR, else .assay. ASSAY_DATABASE_URL goes before it.",
        show_default=False,
    ),
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the end; exit 1 if the run failed.")]
Interval = Annotated[float, typer.Option("--interval", min=0.1, metavar="SECONDS", help="How often to ask.")]
MaxWait = Annotated[
    float, typer.Option("--max-wait", min=0, metavar="SECONDS", help="How long to wait; then exit 2, the run goes on.")
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run (exec_…).", show_default=False)]
AutomationName = Annotated[
    str, typer.Argument(metavar="AUTOMATION", help="Id (wf_…), workflows.<name>, or the name.", show_default=False)
]
ExampleName = Annotated[
    str, typer.Argument(metavar="EXAMPLE", help="Id (evx_…) or name of the example.", show_default=False)
]
Since = Annotated[str | None, typer.Option("--from", metavar="MOMENT", help="ISO 8601, or how long ago: 90m, 24h, 7d.")]
Until = Annotated[str | None, typer.Option("--to", metavar="MOMENT", help="Up to and without this moment.")]
Bucket = Annotated[Literal["day", "week", "month"], typer.Option("--bucket", help="How to sum up.")]
Override = Annotated[
    str | None,
    typer.Option(
        "--override", metavar="REASON", help="Do so although a miss rests on what is expected; the reason is kept."
    ),
]
