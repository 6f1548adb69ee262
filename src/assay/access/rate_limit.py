"""How fast one key may ask: a bucket of tokens for each key, in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from assay.access.errors import RateLimitedError

MAX_BUCKETS = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_at: float


class RateLimiter:
    """Lets each key make `per_minute` requests at once and as many in every minute after; 0 means no limit.

    It remembers the 10,000 keys that asked last. `monotonic` gives seconds.
    """

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key_id: str) -> None:
        """Count one request of this key; a refused one is not counted.

        Raises:
            RateLimitedError: there have been too many; `retry_after` says for how many seconds.
        """
        if self._per_minute == 0:
            return
        bucket = self._filled(key_id)
        if bucket.tokens < 1:
            raise RateLimitedError((1 - bucket.tokens) * 60 / self._per_minute)
        bucket.tokens -= 1

    def _filled(self, key_id: str) -> _Bucket:
        now = self._monotonic()
        bucket = self._buckets.setdefault(key_id, _Bucket(self._per_minute, now))
        self._buckets.move_to_end(key_id)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        gained = (now - bucket.filled_at) * self._per_minute / 60
        bucket.tokens = min(self._per_minute, bucket.tokens + gained)
        bucket.filled_at = now
        return bucket
