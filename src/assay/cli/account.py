"""`assay account`: where you are signed in, and the password that you sign in with."""

import sys
from typing import Annotated

import typer

from assay.cli import output
from assay.cli.connection import connect
from assay.cli.failure import ExitCode, Failure
from assay.cli.options import AsJson, BaseUrl, Yes

app = typer.Typer(help="See where you are signed in, end that, and change your password.")


@app.command("sessions")
def sessions(*, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """List the browsers that the key's owner is signed in with."""
    with connect(base_url) as client:
        found = client.account.sessions()
    if as_json:
        output.print_json(found)
        return
    rows = [
        (
            one["id"],
            output.moment_cell(one["createdAt"]),
            output.moment_cell(one["lastSeenAt"]),
            output.moment_cell(one["expiresAt"]),
            one["userAgent"],
        )
        for one in found["data"]
    ]
    output.print_rows(("session", "since", "last seen", "until", "browser"), rows)
    if not rows:
        output.say("You are signed in nowhere.")


@app.command("end-session")
def end_session(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Id (sess_…) of it.", show_default=False)],
    *,
    yes: Yes = False,
    base_url: BaseUrl = None,
) -> None:
    """End a session: whoever has that browser has to sign in again."""
    output.confirm(f"End {session}?", yes=yes)
    with connect(base_url) as client:
        client.account.end_session(session)
    output.say(f"{session} has ended.")


@app.command("password")
def password(*, base_url: BaseUrl = None) -> None:
    """Change the password; it is asked for, or read from standard input. All sessions end, keys stay."""
    with connect(base_url) as client:
        changed = client.account.set_password(_asked())
    output.say(f"{changed['email']} has a new password; whoever was signed in with the old one is not any more.")


def _asked() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise Failure("There is no password on standard input.", exit_code=ExitCode.MISUSED)
    return given
