"""A real local control plane: OpenStack from PyPI and Debian packages as ordinary processes on loopback.

    python -m tests.cloud.rig up|status|down|wipe|install

Rules that hold throughout: everything listens on 127.0.0.1; only processes that this package started are ever
ended; nothing waits for a length of time where it can wait for a condition; `up` may be run at any moment.
Tests take hold of the running cloud through `cloud.Cloud`, the service under test through `service_settings`.
"""
