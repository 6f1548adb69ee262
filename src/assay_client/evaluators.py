"""Evaluators: who judges the runs of an automation's examples."""

from typing import Any

from assay_client.transport import Transport, segment


class Evaluators:
    """Everything below `/automations/{id}/evaluators`, and the types there are."""

    def __init__(self, transport: Transport) -> None:
        """Use `Client.evaluators`."""
        self._transport = transport

    def get(self, automation: str) -> dict[str, Any]:
        """Return `{yaml, config, number, …}` of the evaluators in force; `yaml` is empty where there are none yet."""
        return self._transport.request("GET", _path(automation))

    def replace(self, automation: str, yaml: str, *, replacing: int | None = None) -> dict[str, Any]:
        """Put a text in force, and return what `get` does. A second call changes nothing.

        `replacing` is the number of those that the text was made from, 0 for none.

        Raises:
            InvalidRequestError: the text is not valid; `issues` lists everything that is wrong.
            ConflictError: `evaluators_replaced`: others than `replacing` are in force.
        """
        body: dict[str, Any] = {"yaml": yaml} if replacing is None else {"yaml": yaml, "replacing": replacing}
        return self._transport.request("PUT", _path(automation), body=body)

    def validate(self, automation: str, yaml: str) -> dict[str, Any]:
        """Check a text as `replace` would and store nothing; return `{valid, issues}`."""
        return self._transport.request("POST", f"{_path(automation)}/validate", body={"yaml": yaml}, repeatable=True)

    def try_out(self, automation: str, example: str, yaml: str | None = None) -> dict[str, Any]:
        """Let a text, or what is in force, judge an example's latest run: `{outcome, score, passed, results, …}`.

        Nothing is kept; what a judging model costs is paid.

        Raises:
            ConflictError: `example_never_ran`.
        """
        return self._transport.request("POST", f"{_path(automation)}/try", body={"example": example, "yaml": yaml})

    def history(self, automation: str, *, limit: int | None = None, offset: int | None = None) -> dict[str, Any]:
        """Return a page `{data, total, limit, offset}` of all that were ever in force, newest first, without texts."""
        query = {"limit": limit, "offset": offset}
        return self._transport.request("GET", f"{_path(automation)}/history", query=query)

    def past(self, automation: str, set_id: str) -> dict[str, Any]:
        """Return one that was in force, with its `yaml`."""
        return self._transport.request("GET", f"{_path(automation)}/history/{segment(set_id)}")

    def types(self) -> list[dict[str, Any]]:
        """Return the types of evaluators, each with the JSON Schema of its configuration."""
        return self._transport.request("GET", "/evaluators/types")["data"]


def _path(automation: str) -> str:
    return f"/automations/{segment(automation)}/evaluators"
