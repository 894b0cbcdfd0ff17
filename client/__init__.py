"""The store: vault, imports, consent desk, training service, Flower shim, suggestions. A shell: IO, clock, network."""
