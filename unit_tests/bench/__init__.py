"""Tests of the benches: what they count, and what they say of it."""
