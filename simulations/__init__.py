"""Whole federations in one process: populations, replays, the sample co-op, reports."""
