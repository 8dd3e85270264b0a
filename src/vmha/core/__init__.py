"""Pure decisions: facts and time go in, the next state, orders and reasons come out.

Nothing in this package reads a clock, draws a random number or touches a socket, a file, a database or a log.
"""
