"""The gRPC contracts and their generated code; imports nothing of ours."""
