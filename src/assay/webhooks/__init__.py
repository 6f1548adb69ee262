"""Webhooks: who is told of what happens, signed so that they can trust it, and whether it reached them."""

from assay.webhooks.deliveries import (
    DeliveryDetail,
    forget_old_events,
    get_delivery,
    list_deliveries,
    redeliver,
    try_out,
)
from assay.webhooks.delivering import Deliverer
from assay.webhooks.endpoints import OVERLAP_SECONDS, Wanted, add, change, get, list_endpoints, remove, rotate
from assay.webhooks.errors import WebhookDisabledError
from assay.webhooks.model import Attempt, Delivery, Endpoint, NewSecret, Patience, State

__all__ = [
    "OVERLAP_SECONDS",
    "Attempt",
    "Deliverer",
    "Delivery",
    "DeliveryDetail",
    "Endpoint",
    "NewSecret",
    "Patience",
    "State",
    "Wanted",
    "WebhookDisabledError",
    "add",
    "change",
    "forget_old_events",
    "get",
    "get_delivery",
    "list_deliveries",
    "list_endpoints",
    "redeliver",
    "remove",
    "rotate",
    "try_out",
]
