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

    def replace(self, automation: str, yaml: str) -> dict[str, Any]:
        """Put a text in force, and return what `get` does. A second call changes nothing.

        Raises:
            InvalidRequestError: the text is not valid; `issues` lists everything that is wrong.
        """
        return self._transport.request("PUT", _path(automation), body={"yaml": yaml})

    def types(self) -> list[dict[str, Any]]:
        """Return the types of evaluators, each with the JSON Schema of its configuration."""
        return self._transport.request("GET", "/evaluators/types")["data"]


def _path(automation: str) -> str:
    return f"/automations/{segment(automation)}/evaluators"
