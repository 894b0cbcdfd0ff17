"""The coordinator: charter, members, rounds over Flower, releases. A shell: IO, clock, network."""
