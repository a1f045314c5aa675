"""Takes a share of one core until it is ended: a neighbour on a machine that is not ours alone."""

import sys
import time

PERIOD = 0.01

share = float(sys.argv[1])
while True:
    end = time.perf_counter() + share * PERIOD
    while time.perf_counter() < end:
        pass
    time.sleep((1 - share) * PERIOD)
