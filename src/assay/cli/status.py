"""`assay status`: does the server answer, and as whom."""

from assay.cli import output
from assay.cli.connection import connect
from assay.cli.options import AsJson, BaseUrl
from assay_client import ForbiddenError


def status(*, base_url: BaseUrl = None, as_json: AsJson = False) -> None:
    """Say which server answers, and as whom."""
    with connect(base_url) as client:
        caller = client.check_key()
        try:
            total = client.automations.list(limit=1)["total"]
        except ForbiddenError:  # a reviewer's key reads none
            total = None
        if as_json:
            output.print_json({"baseUrl": client.base_url, "automations": total, **caller})
            return
        output.print_fields(
            {
                "server": client.base_url,
                "organization": caller["tenantSlug"],
                "user": caller["email"],
                "key": caller["keyId"],
                "scopes": ", ".join(caller["scope"]),
                "automations": total,
            }
        )
