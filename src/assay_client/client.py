"""The client of one assay server."""

from types import TracebackType
from typing import Any, Literal, Self

from assay_client.account import Account
from assay_client.audit import Audit
from assay_client.automations import Automations
from assay_client.comparisons import Comparisons
from assay_client.datasets import Datasets
from assay_client.evaluators import Evaluators
from assay_client.examples import Examples
from assay_client.experiments import Experiments
from assay_client.feedback import Feedback
from assay_client.files import Files
from assay_client.gates import Gates
from assay_client.incumbents import Incumbents
from assay_client.keys import Keys
from assay_client.members import Members
from assay_client.monitoring import Monitoring
from assay_client.outgoing import OutgoingHosts
from assay_client.providers import Providers
from assay_client.review_queue import ReviewQueue
from assay_client.runs import Runs
from assay_client.sampling import Sampling
from assay_client.transport import Transport
from assay_client.webhooks import Webhooks

DEFAULT_BASE_URL = "http://127.0.0.1:8321"


class Client:
    """A synchronous client; answers are plain dicts as the API gives them. Close it, or use it in a `with` block.

    `timeout` are the seconds that an answer may let wait; it must be longer than the longest
    `wait_seconds`. `retries` are further attempts after the first. `trigger` is what a run says it
    was started by. One client may be used by several threads.

    Raises:
        InvalidBaseUrlError: the base URL is not http(s).
    """

    def __init__(
        self,
        base_url: str = DEFAULT_BASE_URL,
        api_key: str = "",
        *,
        timeout: float = 70.0,
        retries: int = 3,
        trigger: Literal["api", "cli"] = "api",
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._transport = Transport(base_url, api_key, timeout=timeout, retries=retries, trigger=trigger)
        self.account = Account(self._transport)
        self.audit = Audit(self._transport)
        self.automations = Automations(self._transport)
        self.comparisons = Comparisons(self._transport)
        self.datasets = Datasets(self._transport)
        self.evaluators = Evaluators(self._transport)
        self.examples = Examples(self._transport)
        self.experiments = Experiments(self._transport)
        self.feedback = Feedback(self._transport)
        self.files = Files(self._transport)
        self.gates = Gates(self._transport)
        self.incumbents = Incumbents(self._transport)
        self.keys = Keys(self._transport)
        self.members = Members(self._transport)
        self.monitoring = Monitoring(self._transport)
        self.outgoing = OutgoingHosts(self._transport)
        self.providers = Providers(self._transport)
        self.review_queue = ReviewQueue(self._transport)
        self.runs = Runs(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.sampling = Sampling(self._transport)

    @property
    def base_url(self) -> str:
        """The address of the server, without the path of the API."""
        return self._transport.base_url

    def check_key(self) -> dict[str, Any]:
        """Return whom the API key stands for: `{tenantSlug, email, keyId, scope, …}`.

        Raises:
            UnauthenticatedError: the key is not valid.
        """
        return self._transport.request("GET", "/auth/check")

    def storage(self) -> dict[str, Any]:
        """Return how large the database is, and how much room the disk of the files has: `{database, files}`."""
        return self._transport.request("GET", "/storage")

    def close(self) -> None:
        """Close all connections. A second call does nothing."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()
