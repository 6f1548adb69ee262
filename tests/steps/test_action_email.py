import asyncio
import email
import email.policy
from collections.abc import AsyncGenerator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.fakes.step_context import FakeStepContext

from assay.errors import InvalidValueError
from assay.steps import Effect, StepError
from assay.steps.builtin.action_email import ActionEmail
from assay.steps.mail_server import MailServer

MAIL = {"to": "ada@example.com", "subject": "Invoice", "text": "It is paid.\n"}


class Post:
    """A real SMTP server on loopback that keeps what it gets; what `answers` says, it answers instead."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.answers: dict[str, str] = {}
        self.logins: list[tuple[bytes, bytes]] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802 # the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 # the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server, session
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.got.append(envelope)
        return "250 OK"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth: object) -> AuthResult:
        del server, session, envelope, mechanism
        assert isinstance(auth, LoginPassword)
        self.logins.append((auth.login, auth.password))
        return AuthResult(success=auth.password == b"s3cret/@", handled=False)

    def message(self) -> EmailMessage:
        (envelope,) = self.got
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


@pytest.fixture
async def post() -> AsyncGenerator[Post]:
    kept = Post()

    loop = asyncio.get_running_loop()

    def serve() -> SMTP:
        return SMTP(kept, authenticator=kept.login, auth_require_tls=False, hostname="post.example", loop=loop)

    server = await loop.create_server(serve, "127.0.0.1", 0)
    kept.port = server.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        server.close()


@pytest.fixture
def context(post: Post) -> FakeStepContext:
    server = MailServer.parse(f"smtp://127.0.0.1:{post.port}", "assay@mint.example")
    return FakeStepContext(name="mail", mailing=server)


async def send(context: FakeStepContext, **config: Any) -> dict[str, Any]:
    output = await ActionEmail.model_validate({**MAIL, **config}).run(context)
    assert ActionEmail.output_schema is not None
    jsonschema_rs.validator_for(dict(ActionEmail.output_schema)).validate(output)
    assert isinstance(output, dict)
    return output


async def failure(context: FakeStepContext, **config: Any) -> StepError:
    with pytest.raises(StepError) as raised:
        await send(context, **config)
    return raised.value


async def test_a_mail_arrives(context: FakeStepContext, post: Post) -> None:
    output = await send(context, cc=["Bob <bob@example.com>"], replyTo="office@example.com", subject="Rechnung für Ada")
    message = post.message()
    assert (message["From"], message["To"]) == ("assay@mint.example", "ada@example.com")
    assert (message["Cc"], message["Reply-To"]) == ("Bob <bob@example.com>", "office@example.com")
    assert (message["Subject"], message.get_content().strip()) == ("Rechnung für Ada", "It is paid.")
    assert output["accepted"] == ["ada@example.com", "bob@example.com"]
    assert output["rejected"] == []


async def test_blind_copies_arrive_unseen(context: FakeStepContext, post: Post) -> None:
    await send(context, bcc="secret@example.com, ada@example.com")
    assert post.got[0].rcpt_tos == ["ada@example.com", "secret@example.com"]
    assert "secret" not in post.message().as_string()


async def test_html_stands_beside_the_text(context: FakeStepContext, post: Post) -> None:
    await send(context, html="<p>It is <b>paid</b>.</p>")
    body = post.message().get_body(("html",))
    assert body is not None
    assert "<b>paid</b>" in body.get_content()
    plain = post.message().get_body(("plain",))
    assert plain is not None
    assert plain.get_content().strip() == "It is paid."


async def test_files_are_attached(context: FakeStepContext, post: Post, tmp_path: Path) -> None:
    pdf, note = tmp_path / "a.pdf", tmp_path / "b.txt"
    pdf.write_bytes(b"%PDF\x00\xff")
    note.write_text("note\n")
    files = [
        context.add_file(pdf, "application/pdf", filename="Rechnung ä.pdf"),
        context.add_file(note, "text/plain; charset=utf-8", filename='x"\r\nBcc: eve@example.com'),
    ]
    await send(context, attachments=files)
    first, second = post.message().iter_attachments()
    assert (first.get_filename(), first.get_content_type()) == ("Rechnung ä.pdf", "application/pdf")
    assert first.get_payload(decode=True) == b"%PDF\x00\xff"
    assert second.get_payload(decode=True) == b"note\n"
    assert post.message()["Bcc"] is None


async def test_a_repeated_step_sends_the_same_message_id(context: FakeStepContext, post: Post) -> None:
    first, second = await send(context), await send(context)
    assert first["messageId"] == second["messageId"] == "<run.mail@mint.example>"
    assert len(post.got) == 2


@pytest.mark.parametrize(
    "config",
    [
        {"subject": "a\r\nBcc: eve@example.com"},
        {"subject": "a\nb"},
        {"to": "ada@example.com\r\nBcc: eve@example.com"},
        {"to": ["ada@example.com\nCc: eve@example.com"]},
        {"to": '"a\r\nBcc: eve@example.com" <ada@example.com>'},
        {"replyTo": "ada@example.com\r\nX: y"},
        {"to": "ada"},
        {"to": "ada@"},
        {"to": "ada@example.com>\r\nRCPT TO:<eve@example.com"},
        {"cc": "<>"},
    ],
)
async def test_no_field_adds_a_header_or_a_recipient(
    context: FakeStepContext, post: Post, config: dict[str, Any]
) -> None:
    error = await failure(context, **config)
    assert error.code in {"email_subject_invalid", "email_address_invalid"}
    assert error.category == "validation"
    assert post.got == []


@pytest.mark.parametrize("to", [[], "", " ", [f"a{number}@example.com" for number in range(101)]])
async def test_a_mail_goes_to_somebody_and_not_to_everybody(context: FakeStepContext, to: Any) -> None:
    assert (await failure(context, to=to)).code == "email_recipients_invalid"


async def test_attachments_over_the_limit_are_refused(context: FakeStepContext, tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(13 * 1024**2)
    reference = context.add_file(path, "application/octet-stream")
    assert (await failure(context, attachments=[reference, reference])).code == "email_too_large"


async def test_what_is_no_file_is_not_attached(context: FakeStepContext) -> None:
    assert (await failure(context, attachments=["/etc/passwd"])).code == "file_required"


async def test_addresses_that_are_refused_are_named_while_others_get_it(context: FakeStepContext, post: Post) -> None:
    post.answers["eve@example.com"] = "550 no such user"
    output = await send(context, cc="eve@example.com")
    assert output["accepted"] == ["ada@example.com"]
    assert output["rejected"] == [{"address": "eve@example.com", "message": "no such user"}]


@pytest.mark.parametrize(
    ("asked", "answer", "code", "category"),
    [
        ("ada@example.com", "550 no such user", "email_recipients_refused", "validation"),
        ("ada@example.com", "450 later", "email_recipients_refused", "temporarily_unavailable"),
        ("DATA", "554 spam", "email_refused", "validation"),
        ("DATA", "451 later", "email_refused", "temporarily_unavailable"),
    ],
)
async def test_a_refusal_says_whether_later_is_better(
    context: FakeStepContext, post: Post, asked: str, answer: str, code: str, category: str
) -> None:
    post.answers[asked] = answer
    error = await failure(context)
    assert (error.code, error.category) == (code, category)
    assert answer[4:] in error.message


async def test_without_a_mail_server_the_settings_are_named() -> None:
    error = await failure(FakeStepContext())
    assert error.code == "email_not_configured"
    assert "ASSAY_SMTP_URL" in (error.hint or "")
    assert "ASSAY_SMTP_FROM" in (error.hint or "")


async def test_the_password_logs_in(post: Post) -> None:
    server = MailServer.parse(f"smtp://assay:s3cret%2F%40@127.0.0.1:{post.port}", "assay@mint.example")
    await send(FakeStepContext(mailing=server))
    assert post.logins == [(b"assay", b"s3cret/@")]


async def test_a_wrong_password_is_said(post: Post) -> None:
    server = MailServer.parse(f"smtp://assay:wrong@127.0.0.1:{post.port}", "assay@mint.example")
    error = await failure(FakeStepContext(mailing=server))
    assert (error.code, error.category) == ("email_login_failed", "authentication")
    assert "wrong" not in error.message


async def test_a_password_is_not_sent_in_the_clear_to_another_machine(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.steps.mail_server._is_loopback", lambda host: False)
    server = MailServer.parse(f"smtp://assay:s3cret%2F%40@127.0.0.1:{post.port}", "assay@mint.example")
    assert (await failure(FakeStepContext(mailing=server))).code == "email_refused"
    assert post.logins == []


async def test_a_closed_port_is_temporarily_unavailable() -> None:
    error = await failure(FakeStepContext(mailing=MailServer.parse("smtp://127.0.0.1:1", "assay@mint.example")))
    assert (error.code, error.category) == ("email_server_unreachable", "temporarily_unavailable")


async def test_smtps_to_a_server_without_tls_fails(post: Post) -> None:
    server = MailServer.parse(f"smtps://127.0.0.1:{post.port}", "assay@mint.example")
    error = await failure(FakeStepContext(mailing=server), timeout=3000)
    assert (error.code, error.category) == ("email_tls_failed", "validation")


def test_addresses_of_mail_servers() -> None:
    server = MailServer.parse("smtps://a%40b:c@mail.example", "assay@mint.example")
    assert (server.host, server.port, server.user, server.password, server.tls) == (
        "mail.example",
        465,
        "a@b",
        "c",
        True,
    )
    assert MailServer.parse("smtp://mail.example", "a@b.example").port == 587
    assert not MailServer.parse("smtp://mail.example", "a@b.example").must_start_tls
    assert MailServer.parse("smtp://u:p@mail.example", "a@b.example").must_start_tls
    assert MailServer.parse("smtp+starttls://127.0.0.1", "a@b.example").must_start_tls
    assert not MailServer.parse("smtps://u:p@mail.example", "a@b.example").must_start_tls


@pytest.mark.parametrize(
    ("url", "sender"),
    [("http://x", "a@b"), ("smtp://", "a@b"), ("smtp://x:y", "a@b"), ("x", "a@b"), ("smtp://x", "a"), ("smtp://x", ""),
     ("smtp://x", "a@b\r\nX: y"), ("smtp://x/path", "a@b"), ("smtp://x", "Ada <a@b>")],
)  # fmt: skip
def test_what_names_no_mail_server(url: str, sender: str) -> None:
    with pytest.raises(InvalidValueError):
        MailServer.parse(url, sender)


def test_an_email_is_never_repeated_by_itself() -> None:
    step = ActionEmail.model_validate(MAIL)
    assert (step.effect_now(), step.replay_safe) == (Effect.WRITE, False)
