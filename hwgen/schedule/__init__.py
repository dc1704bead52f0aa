"""From a graph to a design: all decisions about the size of the hardware."""

from hwgen.schedule.design import Design, Link, Stage
from hwgen.schedule.fold import schedule

__all__ = ["Design", "Link", "Stage", "schedule"]
