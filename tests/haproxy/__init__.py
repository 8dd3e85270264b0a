"""A real haproxy on what the charm writes for it."""
