"""assay runs document workflows and trusts none that has not been measured."""
