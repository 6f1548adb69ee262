"""What a trace does not show of a request."""

import pytest
from pydantic import JsonValue

from assay.steps.builtin.action_http import ActionHttp
from assay.steps.builtin.action_website_reader import ActionWebsiteReader
from assay.steps.secrets import HIDDEN, url_without_secrets, without_secrets


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "authorisation", "Proxy-Authorization", "Cookie", "X-Api-Key", "apikey", "api_key", "X-Auth",
        "X-Auth-Token", "client_secret", "password", "passwd", "access_token", "sessionId", "AWSAccessKeyId",
        "X-Amz-Signature", "credentials",
    ],
)  # fmt: skip
def test_names_that_say_secret_hide_their_value(name: str) -> None:
    assert without_secrets({name: "s3cret"}) == {name: HIDDEN}
    assert url_without_secrets(f"https://a.example/x?{name}=s3cret&b=1") == f"https://a.example/x?{name}={HIDDEN}&b=1"


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "author", "key", "monkey", "total", "Idempotency-Key"])
def test_other_names_hide_nothing(name: str) -> None:
    assert without_secrets({name: "x"}) == {name: "x"}


def test_numbers_and_what_is_no_object_stay() -> None:
    assert without_secrets({"max_tokens": 10}) == {"max_tokens": 10}
    assert (without_secrets(["token"]), without_secrets("token=x"), url_without_secrets(None)) == (
        ["token"],
        "token=x",
        None,
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:s3cret@a.example:8/x?y=1#z", f"https://{HIDDEN}@a.example:8/x?y=1#z"),
        ("https://a.example/%20x?b=%C3%A4&b=2", "https://a.example/%20x?b=%C3%A4&b=2"),
        ("https://[bad", HIDDEN),
        ("not a url", "not a url"),
    ],
)
def test_an_address_shows_neither_user_nor_password(url: str, shown: str) -> None:
    assert url_without_secrets(url) == shown


def test_requests_are_shown_without_secrets() -> None:
    config: dict[str, JsonValue] = {
        "url": "https://u:p@a.example",
        "headers": {"Authorization": "Bearer x", "Accept": "*/*"},
        "timeout": 5,
    }
    assert ActionHttp.shown({**config, "body": {"password": "p", "n": 1}}) == {
        "url": f"https://{HIDDEN}@a.example",
        "headers": {"Authorization": HIDDEN, "Accept": "*/*"},
        "timeout": 5,
        "body": {"password": HIDDEN, "n": 1},
    }
    assert ActionWebsiteReader.shown({"url": "https://a.example?token=x"}) == {
        "url": f"https://a.example?token={HIDDEN}"
    }
