"""vmha: instance high availability for OpenStack that proves a host dead before anything of it runs elsewhere."""

__version__ = "0.1.0"
