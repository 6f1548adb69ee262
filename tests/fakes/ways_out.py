"""A step's context that may ask the servers a test runs on loopback, and send mail by them."""

from dataclasses import dataclass, field

from tests.fakes.step_context import FakeStepContext

from assay.outgoing import AllowList, Outgoing
from assay.steps.mail_server import MailServer


@dataclass
class ReachingContext(FakeStepContext):
    outgoing: Outgoing = field(default_factory=lambda: Outgoing(AllowList.parse("127.0.0.1")))
    mail_server: MailServer | None = None
