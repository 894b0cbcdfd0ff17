"""The store: vault, imports, consent desk, training service, Flower shim, suggestions. IO, clock, network."""
