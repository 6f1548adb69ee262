"""Which version serves a call."""

from assay.rollouts.which_version import Choice, which_version, which_version_again

__all__ = ["Choice", "which_version", "which_version_again"]
