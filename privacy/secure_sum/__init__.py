"""The secure sum: a coordinator learns the stores' sum and no more. Pure. See docs/secure-sum.md."""
