"""The programs: masakari-api, masakari-engine, masakari-standalone, masakari-manage."""
