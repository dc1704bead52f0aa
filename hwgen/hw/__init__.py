"""Amaranth components that know integers and streams, and no network."""
