"""Makes a machine match a plan: packages, release, files, schema, services. Knows nothing of Juju, and takes nothing from it."""
