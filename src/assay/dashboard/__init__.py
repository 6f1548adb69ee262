"""The pages: run, review, measure and decide in a browser. They call the same areas as the API does."""

from assay.dashboard.app import create_app

__all__ = ["create_app"]
