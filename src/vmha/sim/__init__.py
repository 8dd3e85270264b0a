"""The simulated cloud: hosts, BMCs, Nova and their clock, in memory and over real sockets. Nothing here is a real machine."""
