"""Tests of the service on a real local control plane."""
