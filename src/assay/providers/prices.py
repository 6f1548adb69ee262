"""What an answer cost: by the organization's own price, else the published one of that endpoint, else nobody knows."""

from assay.providers.model import Price, Tokens


def cost_usd(tokens: Tokens, *, model: str, base_url: str, own: Price | None) -> float | None:
    """Return US dollars; None where no price is known. An own price takes cached tokens for full ones.

    Published prices hold for the vendor's own endpoint only: what a model of the same name costs on a server of
    your own is not in that list.
    """
    if own is not None:
        return (tokens.input * own.input + tokens.output * own.output) / 1_000_000
    from genai_prices import Usage, calc_price  # noqa: PLC0415 - 0.5 s that only a model call is worth

    used = Usage(
        input_tokens=tokens.input, output_tokens=tokens.output, cache_read_tokens=min(tokens.cache_read, tokens.input)
    )
    try:
        return float(calc_price(used, model_ref=model, provider_api_url=base_url).total_price)
    except (LookupError, ValueError):
        return None
