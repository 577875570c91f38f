//! Who the example customers are.

pub(super) const DELETED: &str = "SeedCharles001";

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Plan {
    None,
    Active,
    Ending,
    PastDue,
    Ended,
}

pub(super) struct Example {
    pub(super) key: &'static str,
    pub(super) name: Option<&'static str>,
    pub(super) description: Option<&'static str>,
    pub(super) email: Option<&'static str>,
    pub(super) months_ago: i64,
    pub(super) price: &'static str,
    pub(super) quantity: i64,
    pub(super) plan: Plan,
}

/// Name, price of one month in cents, key.
pub(super) const PRODUCTS: [(&str, i64, &str); 3] = [
    ("Starter", 500, "Starter"),
    ("Pro", 1_200, "Pro"),
    ("Team", 4_900, "Team"),
];

const fn example(
    key: &'static str,
    name: &'static str,
    email: &'static str,
    months_ago: i64,
    price: &'static str,
    quantity: i64,
    plan: Plan,
) -> Example {
    Example {
        key,
        name: Some(name),
        description: None,
        email: Some(email),
        months_ago,
        price,
        quantity,
        plan,
    }
}

pub(super) const EXAMPLES: [Example; 13] = [
    example(
        "SeedAda0000001",
        "Ada Lovelace",
        "ada@example.com",
        14,
        "Pro",
        1,
        Plan::Active,
    ),
    example(
        "SeedAda0000002",
        "Analytical Engines Ltd",
        "ada@example.com",
        9,
        "Team",
        1,
        Plan::PastDue,
    ),
    example(
        "SeedAda0000003",
        "Ada Lovelace (old shop)",
        "ada@example.com",
        34,
        "Starter",
        1,
        Plan::Ended,
    ),
    example(
        "SeedGrace00001",
        "Grace Hopper",
        "grace@example.com",
        22,
        "Pro",
        1,
        Plan::Active,
    ),
    example(
        "SeedGrace00002",
        "Hopper Compilers Inc.",
        "Grace@Example.com",
        5,
        "Team",
        4,
        Plan::Active,
    ),
    example(
        "SeedAgency0001",
        "Bakery Lindqvist",
        "agency@example.com",
        31,
        "Starter",
        1,
        Plan::Active,
    ),
    example(
        "SeedAgency0002",
        "Kletterhalle Überhang München GmbH",
        "agency@example.com",
        26,
        "Team",
        2,
        Plan::Active,
    ),
    example(
        "SeedAgency0003",
        "株式会社さくら印刷",
        "agency@example.com",
        19,
        "Pro",
        3,
        Plan::Ending,
    ),
    example(
        "SeedAgency0004",
        "Worshipful Company of Instrument Makers, Clock Repairers, Cartographers and \
         Purveyors of Fine Brass Fittings to the Trade",
        "agency@example.com",
        13,
        "Team",
        12,
        Plan::Active,
    ),
    Example {
        name: None,
        description: Some("Pop-up shop at the summer market, owner to be confirmed"),
        ..example(
            "SeedAgency0005",
            "",
            "agency@example.com",
            4,
            "Starter",
            1,
            Plan::Active,
        )
    },
    example(
        "SeedAgency0006",
        "Harbour Bicycle Works",
        "agency@example.com",
        1,
        "",
        0,
        Plan::None,
    ),
    Example {
        email: None,
        ..example(
            "SeedNoMail0001",
            "Walk-in customer, paid in person",
            "",
            7,
            "",
            0,
            Plan::None,
        )
    },
    example(
        DELETED,
        "Charles Babbage",
        "charles@example.com",
        17,
        "Starter",
        1,
        Plan::Active,
    ),
];
