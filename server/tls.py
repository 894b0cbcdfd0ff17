"""TLS 1.3 and nothing older, for every gRPC server of this process."""

from __future__ import annotations

import os

__all__ = ["require_tls_1_3"]


def require_tls_1_3() -> None:
    """Make this process's gRPC refuse anything older than TLS 1.3. Call it before gRPC is imported.

    gRPC for Python has no setting for it. What it has is the list of TLS 1.2 suites, read once when the
    library is loaded: one that needs an RSA certificate leaves a P-256 server no way to speak TLS 1.2, and
    does not touch TLS 1.3. Child processes inherit it with their environment.
    """
    os.environ["GRPC_SSL_CIPHER_SUITES"] = "ECDHE-RSA-AES256-GCM-SHA384"
