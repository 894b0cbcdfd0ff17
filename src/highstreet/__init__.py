"""Highstreet: a co-op of small shops learns together without sharing a customer record."""

__all__ = ["__version__"]

__version__ = "0.1.0"
