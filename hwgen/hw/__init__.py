"""Amaranth components that know integers and streams, and no network."""

import warnings

from amaranth.hdl import UnusedElaboratable

# Components are also made only to be asked for their timing.
warnings.simplefilter("ignore", UnusedElaboratable)
