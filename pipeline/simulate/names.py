"""
Words from which accounts and people get their names; every name and address is invented, domains end in
``.example``.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_TREES = _words(
    "Alder Ash Aspen Birch Bramble Cedar Chestnut Clover Cypress Elder Elm Fern Fir Hawthorn Hazel Heather Holly "
    "Hornbeam Ivy Juniper Larch Laurel Linden Maple Moss Myrtle Oak Olive Pine Poplar Reed Rowan Sage Sorrel Spruce "
    "Thistle Thorn Walnut Willow Yew"
)
_BIRDS = _words(
    "Avocet Bittern Bunting Buzzard Chough Coot Crane Crow Curlew Dove Dunlin Egret Falcon Finch Grebe Grouse Harrier "
    "Hawk Heron Jay Kestrel Kite Lark Linnet Martin Merlin Osprey Owl Petrel Pipit Plover Quail Raven Robin Rook Swift "
    "Teal Tern Thrush Wren"
)
_TRADES = (
    "",
    *_words(
        "Analytics Bakeries Cargo Clinics Energy Foods Foundry Freight Hotels Instruments Insurance Labs Lighting "
        "Logistics Media Mills Motors Optics Paper Pharma Press Rail Robotics Systems Textiles Tools Travel Water Works"
    ),
)
_COUNT = len(_TREES) * len(_BIRDS) * len(_TRADES)
# A stride without a common factor with _COUNT visits every name once, and neighbours share no word.
_STRIDE = 29_483

_FIRST = _words(
    "aiko amara anders bianca carlos chiara dmitri elena farid greta hugo ines jonas kaori lars lucia mateo mina nadia "
    "noah olga pablo priya rosa sami tara tomas ursula vera yusuf"
)
_LAST = _words(
    "abbott berg costa dahl evans fischer garcia haas ito jensen keller lindt moreau novak okafor petrov quinn rossi "
    "sato tanaka ueda vogel weber xu young zimmer arnaud bloom cohen duarte"
)

OWNERS = {
    "EMEA": ("Mara Lindqvist", "Jo Hartmann", "Idris Bello", "Sophie Caron"),
    "AMER": ("Dana Whitfield", "Luis Ortega", "Priya Raman"),
    "APAC": ("Kenji Mori", "Hana Park", "Grace Liu"),
}
"""Customer-success managers by region."""

INDUSTRIES = ("manufacturing", "logistics", "retail", "health care", "finance", "media", "energy", "software")


def account_name(seed: int, index: int) -> str:
    """Name of account number *index*: no two of a portfolio share one."""
    cycle, number = divmod(index, _COUNT)
    number = (number * _STRIDE + seed * 7_919) % _COUNT
    rest, trade = divmod(number, len(_TRADES))
    tree, bird = divmod(rest, len(_BIRDS))
    name = f"{_TREES[tree]} {_BIRDS[bird]} {_TRADES[trade]}" if trade else f"{_TREES[tree]} & {_BIRDS[bird]}"
    return f"{name} {cycle + 1}" if cycle else name


def slug(name: str) -> str:
    """*name* as an account id and a domain label: ``Alder & Finch`` is ``alder-finch``."""
    return "-".join(word for word in name.lower().split() if word != "&")


def mailbox(index: int, person: int) -> str:
    """Left side of the address of person number *person* of account *index*; unique within the account."""
    cycle, number = divmod(person, len(_FIRST) * len(_LAST))
    last, first = divmod(number, len(_FIRST))
    name = f"{_FIRST[(first + index) % len(_FIRST)]}.{_LAST[(last + first + index) % len(_LAST)]}"
    return f"{name}{cycle + 1}" if cycle else name
