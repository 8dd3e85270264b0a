"""`python -m vmha` is masakari-standalone; `python -m vmha sim` plays recoveries in a simulated cloud."""

from __future__ import annotations

import sys

if sys.argv[1:2] == ["sim"]:
    from vmha.sim.command import main as simulate

    sys.exit(simulate(sys.argv[2:]))

from vmha.cli.standalone import main

sys.exit(main())
