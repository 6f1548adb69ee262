"""How the client asks, repeats and fails."""

import io
import socket
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import HTTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any, cast

import pytest
from tests.fakes.scripted_server import Answer, Received, Script

from assay_client import (
    ApiError,
    Client,
    ConflictError,
    ConnectionFailedError,
    ForbiddenError,
    InvalidArgumentError,
    InvalidBaseUrlError,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    TooLargeError,
    UnauthenticatedError,
    UnexpectedAnswerError,
    Upload,
    WaitTimeoutError,
)

RUN = {"id": "exec_1", "finished": True, "output": {"total": 5}}


def envelope(code: str, message: str = "No.", **more: Any) -> dict[str, Any]:
    issue = {"field": "<root>", "message": message, "code": code, "severity": "error"}
    return {"issues": [issue], "requestId": "req_1", **more}


def parts_of(request: Received) -> list[tuple[str, str | None, str, bytes]]:
    """Name, filename, content type and bytes of each part, in order."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body, policy=HTTP)
    return [
        (
            str(part["content-disposition"].params["name"]),
            part.get_filename(),
            part.get_content_type(),
            cast("bytes", part.get_payload(decode=True)),
        )
        for part in message.iter_parts()
    ]


class TestAsking:
    def test_the_key_travels_as_a_bearer_token(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(body={"ok": True}))
        assert client.check_key() == {"ok": True}
        request = script.received[0]
        assert request.path == "/api/v1/auth/check"
        assert request.headers["Authorization"] == "Bearer asy_secret"

    @pytest.mark.parametrize("suffix", ["", "/", "/api/v1", "/api/v1/"])
    def test_the_path_of_the_api_may_be_part_of_the_address(self, script: Script, suffix: str) -> None:
        script.will_answer(Answer())
        with Client(script.base_url + suffix, "k") as client:
            client.check_key()
            assert client.base_url == script.base_url
        assert script.received[0].path == "/api/v1/auth/check"

    @pytest.mark.parametrize("address", ["localhost:8321", "", "ftp://host", "http://"])
    def test_an_address_that_is_none_is_refused_before_anything_is_sent(self, address: str) -> None:
        with pytest.raises(InvalidBaseUrlError):
            Client(address, "k")

    def test_names_in_paths_are_quoted_and_artifact_paths_keep_their_slashes(
        self, script: Script, client: Client
    ) -> None:
        script.will_answer(Answer(), Answer(body=b"x"))
        client.automations.get("workflows.a/b@1")
        client.runs.download_artifact("exec_1", "output/a b.pdf", io.BytesIO())
        assert [request.path for request in script.received] == [
            "/api/v1/automations/workflows.a%2Fb%401",
            "/api/v1/runs/exec_1/artifacts/output/a%20b.pdf",
        ]

    def test_filters_without_a_value_are_left_out_and_lists_are_joined(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(body={"runs": [], "nextCursor": None}))
        client.runs.list({"status": ["failed", "cancelled"], "source": None, "limit": 5})
        assert script.received[0].path == "/api/v1/runs?status=failed%2Ccancelled&limit=5"

    def test_limits_can_be_removed(self, script: Script, client: Client) -> None:
        script.will_answer(Answer())
        client.automations.set_limits("wf_1", {"retentionDays": None})
        assert script.received[0].json == {"retentionDays": None}

    def test_an_empty_answer_is_an_empty_object(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(204, b""))
        assert client.runs.delete("exec_1") == {}


class TestStarting:
    def test_without_files_the_body_is_json(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(body=RUN))
        run = client.runs.start("workflows.x", {"ä": 1}, version="1.0.0", metadata={"k": "v"}, wait_seconds=3)
        assert run == RUN
        request = script.received[0]
        assert request.path == "/api/v1/runs?version=1.0.0&wait_for_completion=3"
        assert request.json == {"target": "workflows.x", "input": {"ä": 1}, "metadata": {"k": "v"}}

    def test_files_travel_as_parts_in_the_order_of_the_contract(
        self, script: Script, client: Client, tmp_path: Path
    ) -> None:
        document = tmp_path / "rechnung ä.pdf"
        document.write_bytes(b"%PDF")
        script.will_answer(Answer(201, {"id": "exec_1", "finished": False}))
        client.runs.start(
            "workflows.x",
            {"note": "n"},
            files={"doc": document, "more": [Upload("a.txt", b"a"), Upload("b", b"b", "text/csv")]},
            metadata={"k": 1},
        )
        parts = parts_of(script.received[0])
        assert [(name, content_type, content) for name, _, content_type, content in parts] == [
            ("target", "text/plain", b"workflows.x"),
            ("files.doc", "application/pdf", b"%PDF"),
            ("files.more", "text/plain", b"a"),
            ("files.more", "text/csv", b"b"),
            ("input", "application/json", b'{"note": "n"}'),
            ("metadata", "application/json", b'{"k": 1}'),
        ]
        assert [name for _, name, _, _ in parts if name][1:] == ["a.txt", "b"]

    def test_a_large_file_is_sent_with_its_length(self, script: Script, client: Client, tmp_path: Path) -> None:
        (tmp_path / "big.bin").write_bytes(b"x" * 3_000_000)
        script.will_answer(Answer(201, {"id": "file_1"}))
        client.files.upload(tmp_path / "big.bin")
        assert parts_of(script.received[0]) == [("file", "big.bin", "application/octet-stream", b"x" * 3_000_000)]

    def test_every_start_has_a_key_of_its_own(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(body=RUN), Answer(body=RUN), Answer(body=RUN))
        client.runs.start("workflows.x")
        client.runs.start("workflows.x")
        client.runs.start("workflows.x", idempotency_key="mine")
        first, second, third = [request.headers["Idempotency-Key"] for request in script.received]
        assert first != second
        assert third == "mine"

    @pytest.mark.usefixtures("waits")
    def test_a_repetition_sends_the_same_files_under_the_same_key(
        self, script: Script, client: Client, tmp_path: Path
    ) -> None:
        (tmp_path / "a.txt").write_bytes(b"abc")
        script.will_answer(Answer(500), Answer(broken=True), Answer(body=RUN))
        client.runs.start("workflows.x", files={"doc": tmp_path / "a.txt"})
        assert len({request.headers["Idempotency-Key"] for request in script.received}) == 1
        assert len(script.received) == 3
        assert parts_of(script.received[2]) == parts_of(script.received[0])

    def test_a_run_that_failed_with_a_status_of_its_own_is_a_run(self, script: Script, client: Client) -> None:
        failed = {"id": "exec_1", "finished": True, "error": "No number."}
        script.will_answer(Answer(503, envelope("control_fail", run=failed)))
        assert client.runs.start("workflows.x", wait_seconds=5) == failed
        assert len(script.received) == 1

    @pytest.mark.parametrize("value", [float("nan"), "\ud800"])
    def test_what_json_has_not_is_refused_here(self, script: Script, client: Client, value: object) -> None:
        for files in ({}, {"doc": Upload("a.txt", b"")}):
            with pytest.raises(InvalidArgumentError, match="JSON"):
                client.runs.start("workflows.x", {"a": value}, files=files)
        assert script.received == []

    @pytest.mark.parametrize("name", ["..", ".", ""])
    def test_a_name_leads_to_nothing_else(self, script: Script, client: Client, name: str) -> None:
        for ask in (
            lambda: client.examples.delete("workflows.x", name),
            lambda: client.examples.delete_file("workflows.x", "first", "input", f"{name}/{name}/a"),
            lambda: client.feedback.delete_expected("exec_1", f"a/{name}"),
            lambda: client.runs.download_artifact("exec_1", f"{name}/steps", io.BytesIO()),
        ):
            with pytest.raises(InvalidArgumentError):
                ask()
        assert script.received == []


class TestRepeating:
    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_a_passing_failure_is_repeated(
        self, script: Script, client: Client, status: int, waits: list[float]
    ) -> None:
        script.will_answer(Answer(status), Answer(status), Answer(body={"ok": True}))
        assert client.check_key() == {"ok": True}
        assert len(waits) == 2
        assert waits[1] > waits[0] / 2

    def test_it_gives_up_after_three_repetitions(self, script: Script, client: Client, waits: list[float]) -> None:
        script.will_answer(*[Answer(500, envelope("internal_error"))] * 4)
        with pytest.raises(ServerError, match="No"):
            client.check_key()
        assert len(waits) == 3

    def test_the_server_says_how_long_to_wait(self, script: Script, client: Client, waits: list[float]) -> None:
        moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        script.will_answer(
            Answer(429, headers={"Retry-After": "7"}),
            Answer(503, headers={"Retry-After": moment}),
            Answer(503, headers={"Retry-After": "soon"}),
            Answer(body={"ok": True}),
        )
        client.check_key()
        assert waits[0] == 7
        assert 20 < waits[1] <= 30
        assert waits[2] <= 1

    def test_a_wait_of_an_hour_is_left_to_the_caller(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(429, envelope("rate_limited"), {"Retry-After": "3600"}))
        with pytest.raises(RateLimitedError):
            client.check_key()

    @pytest.mark.usefixtures("waits")
    def test_what_may_have_been_done_is_not_done_twice(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(500, envelope("internal_error")))
        with pytest.raises(ServerError):
            client.runs.rerun("exec_1")
        script.will_answer(Answer(broken=True))
        with pytest.raises(ConnectionFailedError):
            client.automations.create("name: x")
        assert len(script.received) == 2

    @pytest.mark.usefixtures("waits")
    def test_what_was_surely_not_done_is_sent_again(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(503), Answer(body=RUN))
        assert client.runs.rerun("exec_1") == RUN

    def test_where_nothing_ever_answered_the_caller_is_told_at_once(self, waits: list[float]) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{unused.getsockname()[1]}"
            with Client(address, "k") as client, pytest.raises(ConnectionFailedError, match=address):
                client.check_key()
        assert waits == []


class TestFailing:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, InvalidRequestError),
            (401, UnauthenticatedError),
            (403, ForbiddenError),
            (404, NotFoundError),
            (409, ConflictError),
            (413, TooLargeError),
            (422, ApiError),
        ],
    )
    def test_each_status_has_its_error(self, script: Script, client: Client, status: int, kind: type[ApiError]) -> None:
        script.will_answer(Answer(status, envelope("some_code", "Because.", hint="Do so.")))
        with pytest.raises(kind, match=r"Because\.") as caught:
            client.check_key()
        error = caught.value
        assert type(error) is kind
        assert (error.status, error.code, error.hint, error.request_id) == (status, "some_code", "Do so.", "req_1")
        assert error.issues[0]["severity"] == "error"

    @pytest.mark.parametrize("body", [b"<html>", b"", b"[1]", b'{"issues": ["x"]}', b'{"issues": 3}'])
    def test_a_foreign_body_is_survived(self, script: Script, client: Client, body: bytes) -> None:
        script.will_answer(Answer(404, body, {"x-request-id": "req_9"}))
        with pytest.raises(NotFoundError, match="404") as caught:
            client.check_key()
        assert caught.value.request_id == "req_9"
        assert caught.value.code == "unknown"

    @pytest.mark.parametrize("body", [b"<html>hello</html>", b"[1]"])
    def test_a_success_that_is_no_json_object_is_no_success(self, script: Script, client: Client, body: bytes) -> None:
        script.will_answer(Answer(200, body))
        with pytest.raises(UnexpectedAnswerError) as caught:
            client.check_key()
        assert caught.value.hint


class TestReading:
    def test_a_download_arrives_as_it_is(self, script: Script, client: Client) -> None:
        content = bytes(range(256)) * 5000
        script.will_answer(Answer(body=content, headers={"Content-Type": "application/pdf"}))
        to = io.BytesIO()
        assert client.files.download("file_1", to) == len(content)
        assert to.getvalue() == content

    def test_a_download_that_breaks_off_is_an_error(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(body=b"half", headers={"Content-Length": "8", "Connection": "close"}))
        with pytest.raises(ConnectionFailedError):
            client.files.download("file_1", io.BytesIO())

    @pytest.mark.usefixtures("waits")
    def test_a_refused_download_writes_nothing(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(500), Answer(404, envelope("not_found")))
        to = io.BytesIO()
        with pytest.raises(NotFoundError):
            client.files.download("file_1", to)
        assert to.getvalue() == b""

    def test_pages_are_asked_for_as_they_are_needed(self, script: Script, client: Client) -> None:
        script.will_answer(
            Answer(body={"runs": [{"id": str(number)} for number in range(100)], "nextCursor": "c1"}),
            Answer(body={"runs": [{"id": str(number)} for number in range(100, 150)], "nextCursor": "c2"}),
        )
        found = list(client.runs.iterate({"status": "failed"}, limit=150))
        assert [run["id"] for run in found] == [str(number) for number in range(150)]
        assert [request.path for request in script.received] == [
            "/api/v1/runs?status=failed&limit=100",
            "/api/v1/runs?status=failed&limit=50&cursor=c1",
        ]

    @pytest.mark.usefixtures("waits")
    def test_waiting_ends_with_the_run(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(body={"id": "exec_1", "finished": False}), Answer(body=RUN))
        seen: list[bool] = []
        assert client.runs.wait("exec_1", seen=lambda run: seen.append(run["finished"])) == RUN
        assert seen == [False, True]

    def test_waiting_ends_with_the_patience(self, script: Script, client: Client) -> None:
        script.will_answer(Answer(body={"id": "exec_1", "finished": False}))
        with pytest.raises(WaitTimeoutError) as caught:
            client.runs.wait("exec_1", timeout=0)
        assert caught.value.run["id"] == "exec_1"
