"""Audits: attacks on the shipped training path, and the lower bounds on epsilon that their success proves."""
