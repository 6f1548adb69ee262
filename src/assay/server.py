"""What the doors of one server process share."""

from dataclasses import dataclass

from assay import access, db, documents, engine, experiments, files, providers
from assay.settings import Settings


@dataclass(frozen=True, slots=True)
class Server:
    """Settings and connections that API and pages work with.

    Without `open_id` nobody signs in by a provider.
    """

    settings: Settings
    database: db.Database
    blobs: files.Blobs
    waiting_room: engine.WaitingRoom
    limiter: access.RateLimiter
    models: providers.Models
    parser: documents.Parser
    grader: experiments.Grader
    open_id: access.OpenIdProvider | None
