"""The real edges: database, Nova, BMCs, broker, clock. Adapters report; they never decide."""
