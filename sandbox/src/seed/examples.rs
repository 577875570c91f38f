//! Who the example customers are.

pub fn product_id(name: &str) -> String {
    format!("prod_Seed{name}")
}

pub fn price_id(key: &str) -> String {
    format!("price_1Seed{key}")
}

pub(super) const DELETED: &str = "SeedCharles001";

/// Half off, for good.
pub const COUPON: &str = "SeedHalf";

#[derive(Clone, Copy, PartialEq)]
pub enum Plan {
    None,
    Active,
    /// With the coupon.
    Discounted,
    /// Shown and paid in a currency that the price does not have.
    Presented,
    /// For some more periods, and no longer.
    Term,
    Trialing,
    Ending,
    PastDue,
    /// The invoice was sent, and its day has passed.
    Late,
    Ended,
}

impl Plan {
    pub(super) fn is_behind(self) -> bool {
        matches!(self, Plan::PastDue | Plan::Late)
    }
}

pub struct Example {
    pub(super) key: &'static str,
    pub(super) name: Option<&'static str>,
    pub(super) description: Option<&'static str>,
    pub(super) email: Option<&'static str>,
    pub(super) months_ago: i64,
    pub(super) price: &'static str,
    pub(super) quantity: i64,
    pub(super) plan: Plan,
}

pub const PRODUCTS: [(&str, &str); 3] = [
    ("Starter", "One shop, one till"),
    ("Pro", "Everything for a growing shop"),
    ("Team", "Several tills, several people"),
];

/// Key, product, amount in the smallest coin, currency, interval.
pub const PRICES: [(&str, &str, i64, &str, &str); 7] = [
    ("StarterMonth", "Starter", 500, "eur", "month"),
    ("ProMonth", "Pro", 1_200, "eur", "month"),
    ("ProYear", "Pro", 12_000, "eur", "year"),
    ("ProMonthJpy", "Pro", 1_800, "jpy", "month"),
    ("TeamMonth", "Team", 4_900, "eur", "month"),
    ("TeamMonthUsd", "Team", 5_400, "usd", "month"),
    ("TeamMonthGbp", "Team", 4_200, "gbp", "month"),
];

/// Key, name, and the products that have it.
pub const FEATURES: [(&str, &str, &[&str]); 3] = [
    (
        "receipts",
        "Receipts by e-mail",
        &["Starter", "Pro", "Team"],
    ),
    ("exports", "Exports", &["Pro", "Team"]),
    ("roles", "Roles and permissions", &["Team"]),
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

pub const EXAMPLES: [Example; 20] = [
    example(
        "SeedAda0000001",
        "Ada Lovelace",
        "ada@example.com",
        14,
        "ProMonth",
        1,
        Plan::Active,
    ),
    example(
        "SeedAda0000002",
        "Analytical Engines Ltd",
        "ada@example.com",
        9,
        "TeamMonth",
        1,
        Plan::PastDue,
    ),
    example(
        "SeedAda0000003",
        "Difference Engine Club",
        "ada@example.com",
        3,
        "StarterMonth",
        1,
        Plan::Trialing,
    ),
    example(
        "SeedGrace00001",
        "Grace Hopper",
        "grace@example.com",
        22,
        "ProMonth",
        1,
        Plan::Active,
    ),
    example(
        "SeedGrace00002",
        "Hopper Compilers Inc.",
        "Grace@Example.com",
        5,
        "TeamMonthUsd",
        4,
        Plan::Active,
    ),
    example(
        "SeedAgency0001",
        "Bakery Lindqvist",
        "agency@example.com",
        31,
        "StarterMonth",
        1,
        Plan::Active,
    ),
    example(
        "SeedAgency0002",
        "Kletterhalle Überhang München GmbH",
        "agency@example.com",
        26,
        "TeamMonth",
        2,
        Plan::Active,
    ),
    example(
        "SeedAgency0003",
        "株式会社さくら印刷",
        "agency@example.com",
        19,
        "ProMonthJpy",
        3,
        Plan::Ending,
    ),
    example(
        "SeedAgency0004",
        "Worshipful Company of Instrument Makers, Clock Repairers, Cartographers and \
         Purveyors of Fine Brass Fittings to the Trade",
        "agency@example.com",
        13,
        "TeamMonthGbp",
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
            "StarterMonth",
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
        "SeedMary000001",
        "Mary Somerville",
        "mary@example.com",
        34,
        "StarterMonth",
        1,
        Plan::Ended,
    ),
    example(
        DELETED,
        "Charles Babbage",
        "charles@example.com",
        17,
        "StarterMonth",
        1,
        Plan::Active,
    ),
    example(
        "SeedMaud000001",
        "Maud Menten",
        "maud@example.com",
        16,
        "ProMonth",
        1,
        Plan::PastDue,
    ),
    example(
        "SeedMaud000002",
        "Menten Kinetics",
        "maud@example.com",
        12,
        "TeamMonth",
        1,
        Plan::Discounted,
    ),
    example(
        "SeedMaud000003",
        "Toronto Enzyme Supply",
        "maud@example.com",
        10,
        "ProMonth",
        1,
        Plan::Presented,
    ),
    example(
        "SeedMaud000004",
        "Faculty Purchasing Office",
        "maud@example.com",
        8,
        "TeamMonth",
        2,
        Plan::Late,
    ),
    example(
        "SeedMaud000005",
        "Port Lambton Painters",
        "maud@example.com",
        6,
        "",
        0,
        Plan::None,
    ),
    example(
        "SeedMaud000006",
        "Hillside Clarinet Quartet",
        "maud@example.com",
        2,
        "StarterMonth",
        1,
        Plan::Term,
    ),
];
