"""The rate limit: per key, refilled steadily, forgetful."""

import pytest

from assay import access


class Watch:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def _take(limiter: access.RateLimiter, key_id: str, times: int) -> None:
    for _ in range(times):
        limiter.take(key_id)


def test_a_key_that_asks_too_often_is_told_when_to_come_back() -> None:
    watch = Watch()
    limiter = access.RateLimiter(20, watch)
    _take(limiter, "key_1", 20)
    with pytest.raises(access.RateLimitedError) as refused:
        limiter.take("key_1")
    assert refused.value.retry_after == 3
    watch.seconds += refused.value.retry_after
    limiter.take("key_1")


def test_the_wait_is_whole_seconds_and_never_zero() -> None:
    limiter = access.RateLimiter(60_000, Watch())
    _take(limiter, "key_1", 60_000)
    with pytest.raises(access.RateLimitedError) as refused:
        limiter.take("key_1")
    assert refused.value.retry_after == 1


def test_one_key_does_not_use_up_another() -> None:
    limiter = access.RateLimiter(1, Watch())
    limiter.take("key_1")
    limiter.take("key_2")


def test_a_rested_key_may_make_a_minute_of_requests_and_no_more() -> None:
    watch = Watch()
    limiter = access.RateLimiter(10, watch)
    _take(limiter, "key_1", 10)
    watch.seconds += 3600
    _take(limiter, "key_1", 10)
    with pytest.raises(access.RateLimitedError):
        limiter.take("key_1")


def test_zero_means_no_limit() -> None:
    _take(access.RateLimiter(0, Watch()), "key_1", 1000)


def test_the_keys_that_asked_longest_ago_are_forgotten_first() -> None:
    limiter = access.RateLimiter(1, Watch())
    limiter.take("first")
    limiter.take("second")
    with pytest.raises(access.RateLimitedError):
        limiter.take("first")
    for number in range(9_999):
        limiter.take(f"key_{number}")
    limiter.take("second")
    with pytest.raises(access.RateLimitedError):
        limiter.take("key_9998")
