"""What the options before the command say, for this process."""

from dataclasses import dataclass


@dataclass
class Preferences:
    """`quiet`: data and errors only. `no_color`: no colours on a terminal either."""

    quiet: bool = False
    no_color: bool = False


preferences = Preferences()
