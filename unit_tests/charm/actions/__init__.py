"""The actions, against the real masakari-manage where they call it."""
