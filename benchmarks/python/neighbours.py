"""How much of the machine others took meanwhile: a figure on the clock is theirs, too."""

import os
import resource
from pathlib import Path

# A share of the processors above which what the clock said is to be doubted.
BUSY = 0.1


def busy_s() -> float:
    """Seconds in which processors worked, for anybody, since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _waiting, interrupts, soft, steal = fields[:8]
    return (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")


def own_s() -> float:
    """Seconds that this process and those that it waited for have taken."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class Neighbours:
    """Watches from now on."""

    def __init__(self) -> None:
        self.busy, self.own = busy_s(), own_s()
        self.begun = os.times().elapsed

    def share(self) -> float:
        """The share of all processors that others have taken since: between 0 and 1."""
        others = (busy_s() - self.busy) - (own_s() - self.own)
        capacity = (os.times().elapsed - self.begun) * (os.cpu_count() or 1)
        return min(1.0, max(0.0, others / capacity)) if capacity else 0.0
