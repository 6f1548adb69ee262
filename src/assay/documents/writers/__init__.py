"""Documents that are made, one module a kind; all of this runs in a child."""
