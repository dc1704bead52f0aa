"""Foundations every other package may import: integer ranges, errors, names, resources."""
