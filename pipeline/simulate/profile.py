"""Who an account is: the facts its CRM record states and the people who work there."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from pipeline.health.events import LifecycleStage, Role, Segment
from pipeline.simulate.clock import date_text
from pipeline.simulate.names import INDUSTRIES, OWNERS, account_name, mailbox, slug
from pipeline.simulate.places import PLACES, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """
    Fewest and most seats of an account, by segment; between them sizes are spread evenly on a log scale.
    """

    small: tuple[int, int] = (5, 20)
    mid: tuple[int, int] = (20, 200)
    enterprise: tuple[int, int] = (200, 5_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """
    The lasting side of one account.

    *prefix* opens every event id of the account, so that portfolios of two seeds never share one. Days are
    days since 1970-01-01; *weekend_visits* is the share of a weekday's visits that a weekend or holiday has.
    Invoices are issued on *billing_day* of the month, quarterly ones in *billing_month* and every third after
    it. Where users *sign in by address*, the product knows nothing else of its customer.
    """

    index: int
    prefix: str
    account_id: str
    name: str
    segment: Segment
    stage: LifecycleStage
    seats: int
    cmrr: Decimal
    place: Place
    owner: str
    industry: str
    renewal_day: int
    start_day: int
    billing_day: int
    billing_month: int
    weekend_visits: float
    says_roles: bool
    signs_in_by_address: bool

    @property
    def domain(self) -> str:
        """The account's own e-mail domain."""
        return f"{self.account_id}.example"

    @property
    def external_ids(self) -> dict[str, str]:
        """The account's id in the systems that do not know ``account_id``."""
        return {"stripe": f"cus_{self.prefix}", "zendesk": f"org-{self.prefix}"}

    def role(self, person: int) -> Role:
        """Role of person number *person*: the first few decide and drive, the rest use."""
        return _role(self.seats, person)

    def address(self, person: int) -> str:
        """E-mail address of person number *person*."""
        return f"{mailbox(self.index, person)}@{self.domain}"

    def crm_record(self) -> dict[str, Any]:
        """The account's facts as an account line states them, without the envelope."""
        return {
            "name": self.name,
            "domains": [self.domain],
            "external_ids": self.external_ids,
            "segment": self.segment,
            "lifecycle_stage": self.stage,
            "seats": self.seats,
            "cmrr": str(self.cmrr),
            "currency": self.place.currency,
            "renewal_date": date_text(self.renewal_day),
            "notice_given_on": None,
            "leaves_on": None,
            "owner": self.owner,
            "region": self.place.region,
            "industry": self.industry,
            "time_zone": self.place.time_zone,
            "start_date": date_text(self.start_day),
        }


def _role(seats: int, person: int) -> Role:
    executives = 1 + seats // 100
    champions = 1 + seats // 60
    if person < executives:
        return "EXECUTIVE"
    if person < executives + champions:
        return "CHAMPION"
    if person < executives + 2 * champions:
        return "ADMIN"
    return "USER"


def people_with(profile: Profile, role: Role) -> list[int]:
    """Numbers of the account's people in *role*, USER excepted: those are all the rest."""
    # Executives, champions and admins are the first few; none stands beyond 4 + seats / 20.
    return [person for person in range(4 + profile.seats // 20) if profile.role(person) == role]


def draw_profile(*, seed: int, index: int, first_day: int, sizes: Sizes, rng: Random) -> Profile:
    """
    Account number *index*: six in ten are small, three mid, one enterprise; all were customers before
    *first_day*.
    """
    lot = rng.random()
    segment: Segment = "SMALL" if lot < 0.6 else "MID" if lot < 0.9 else "ENTERPRISE"
    fewest, most = {"SMALL": sizes.small, "MID": sizes.mid, "ENTERPRISE": sizes.enterprise}[segment]
    seats = round(fewest * (most / fewest) ** rng.random())
    # A seat costs 20 to 40 a month, less for those who buy many.
    price = Decimal(rng.randrange(20, 41)) * (Decimal("0.8") if segment == "ENTERPRISE" else 1)
    place = rng.choice(PLACES)
    name = account_name(seed, index)
    return Profile(
        index=index,
        prefix=f"{seed:x}-{index:x}",
        account_id=slug(name),
        name=name,
        segment=segment,
        stage="LIVE",
        seats=seats,
        cmrr=(price * seats).quantize(Decimal("0.01")),
        place=place,
        owner=rng.choice(OWNERS[place.region]),
        industry=rng.choice(INDUSTRIES),
        renewal_day=first_day + rng.randrange(30, 395),
        start_day=first_day - rng.randrange(200, 1_500),
        billing_day=rng.randrange(1, 29),
        billing_month=rng.randrange(1, 4),
        # One firm in twelve works on weekends too.
        weekend_visits=0.6 if rng.random() < 1 / 12 else 0.04,
        says_roles=rng.random() < 0.85,
        signs_in_by_address=rng.random() < 0.1,
    )
