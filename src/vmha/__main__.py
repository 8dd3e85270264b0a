"""`python -m vmha` is masakari-standalone."""

from __future__ import annotations

import sys

from vmha.cli.standalone import main

sys.exit(main())
