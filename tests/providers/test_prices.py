from assay.providers import Price, Tokens
from assay.providers.prices import cost_usd

VENDOR = "https://api.openai.com/v1"
MILLION = Tokens(1_000_000, 1_000_000)


def test_the_published_price_holds_at_the_vendors_endpoint() -> None:
    found = cost_usd(MILLION, model="gpt-4o-mini", base_url=VENDOR, own=None)
    assert found is not None
    assert 0.1 < found < 10


def test_an_own_price_goes_before_the_published_one() -> None:
    assert cost_usd(MILLION, model="gpt-4o-mini", base_url=VENDOR, own=Price(input=1, output=2)) == 3.0


def test_where_no_price_is_known_none_is_given() -> None:
    assert cost_usd(MILLION, model="no-such-model", base_url=VENDOR, own=None) is None
    assert cost_usd(MILLION, model="gpt-4o-mini", base_url="http://127.0.0.1:8000/v1", own=None) is None
