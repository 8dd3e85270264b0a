"""The loop that turns stored facts into stored decisions and decisions into orders."""
