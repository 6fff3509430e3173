# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One import on its way: the state that it is in, and what is known of it and of each of its targets."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import List, Optional

from .._arm import Operation
from .._errors import AcrError
from .._plan import Import, Item, Observed

FASTEST, SLOWEST = 0.2, 2.0  # seconds between two looks at the same thing
SETTLE = 60.0  # seconds that the registry may take to show what Azure calls done


def pause(elapsed: float) -> float:
    """Seconds until the next look at what has been expected for *elapsed* seconds."""
    return min(SLOWEST, max(FASTEST, 0.1 * elapsed))


class State(enum.Enum):
    """How far an import is."""

    STARTING = "it waits for its turn, or is being sent"
    PAUSED = "it is sent again later"
    HELD = "another import finds out whether their source lets Azure pull again"
    POSTPONED = "it is sent again when all others are over"
    UNDER_WAY = "Azure has taken it"
    DONE = "Azure calls it done, and the registry should show it"
    LOOKING = "Azure says that a target exists: we look at what there is, to decide again"
    HIDDEN = "Azure says that its target exists, but the registry doesn't show it: we look again later"
    CHECKING = "nothing more will come, and what came is being checked"
    OVER = "all its targets have ended"


IN_FLIGHT = frozenset([State.UNDER_WAY, State.DONE])
RESTING = frozenset([State.PAUSED, State.HIDDEN])  # until *resumes_at*


@dataclass(eq=False)
class Pending:
    """One target of a job, until it ends. *final*: when what is missing of it, now that it has landed, won't come any more; None
    while Azure is still at it."""

    job: Job
    item: Item
    shown: Optional[Observed] = None  # by the last look
    unread: Optional[AcrError] = None  # why the last look failed
    looked: Optional[float] = None  # when the last look that is over began
    seconds: float = 0.0  # from the import's start to its landing
    final: Optional[float] = None
    expired: bool = False  # the time limit has passed, so nothing is done about what is missing

    @property
    def digest(self) -> str:
        """What the target should hold. Known for every image that is verified."""
        return self.item.desired.digest or ""

    @property
    def differed(self) -> bool:
        """Whether the target had another digest before, or none."""
        return self.item.before != self.item.desired.digest

    @property
    def updated(self) -> Optional[str]:
        """When the target changed last, before the import."""
        return self.item.observed.updated if self.item.observed is not None else None

    def forget(self) -> None:
        """What the looks so far have shown is of no interest any more."""
        self.shown = self.unread = self.looked = None


@dataclass(eq=False)
class Job:
    """One import on its way. Times are monotonic seconds."""

    work: Import
    tries: int = 0
    started: Optional[float] = None
    accepted: bool = False  # Azure took an import for it
    uncertain: bool = False  # an earlier try may have brought what it should bring
    repaired: bool = False
    failure: Optional[AcrError] = None  # of the last try
    last_pass: bool = False
    state: State = State.STARTING
    resumes_at: Optional[float] = None  # not before then it is sent, or looked at
    operation: Optional[Operation] = None  # the one that Azure took last, while its end is of interest
    asking: bool = False
    unanswered: Optional[AcrError] = None  # why the last question how the import is doing failed
    unanswered_since: float = 0.0
    succeeded: Optional[float] = None  # when Azure called it done
    hidden_since: float = 0.0
    left: List[Pending] = field(default_factory=list)  # what has neither landed nor ended
    checking: List[Pending] = field(default_factory=list)  # what shows the right digest, while the rest of it is checked

    def __post_init__(self) -> None:
        self.left = [Pending(self, item) for item in self.work.items]

    def again(self, work: Import, failure: Optional[AcrError] = None) -> Job:
        """A job for a part of this one's targets, which knows what has happened to them so far."""
        return Job(work, self.tries, self.started, self.accepted, self.uncertain, self.repaired, failure)

    def reset(self) -> None:
        """What follows is about a new try."""
        self.operation = self.succeeded = self.unanswered = None
        for pending in self.left:
            pending.forget()

    @property
    def since(self) -> float:
        """When Azure took it, or may have."""
        if self.started is None:
            raise ValueError("it was not started")
        return self.started

    def landed(self, pending: Pending) -> None:
        """One of its targets shows the right digest."""
        self.left.remove(pending)
        self.checking.append(pending)
        if not self.left and self.state not in IN_FLIGHT:
            self.state = State.CHECKING

    def drop(self, pending: Pending) -> None:
        """It has nothing to do any more for one of its targets."""
        (self.left if pending in self.left else self.checking).remove(pending)
        if not self.left and (not self.checking or self.state not in IN_FLIGHT):
            self.state = State.CHECKING if self.checking else State.OVER
