"""Clipping, noise, releases as data, accountant, budget. Pure."""
