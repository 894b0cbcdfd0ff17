"""What can be checked later: charter, signatures, release manifests, consent decisions. Pure."""
