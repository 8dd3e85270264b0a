"""The API under every server that deployers start it with, and the one that it brings itself."""
