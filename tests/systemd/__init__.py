"""The packed charm on a real systemd, among real neighbours."""
