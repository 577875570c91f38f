//! The languages of Stripe's own pages.

/// The values of `locale`
/// (<https://docs.stripe.com/api/customer_portal/sessions/create#create_portal_session-locale>).
pub const LOCALES: [&str; 46] = [
    "bg", "cs", "da", "de", "el", "en", "en-AU", "en-CA", "en-GB", "en-IE", "en-IN", "en-NZ",
    "en-SG", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu", "id", "it", "ja", "ko",
    "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv", "th",
    "tr", "vi", "zh", "zh-HK", "zh-TW",
];
/// Stripe chooses, by the customer's preferred languages and the browser's.
const AUTO: &str = "auto";
/// Limit of languages read from an `Accept-Language` header.
const MOST: usize = 20;

/// The first language of an `Accept-Language` header (RFC 9110, 12.5.4) that Stripe's pages support.
pub fn of(accept_language: &str) -> &'static str {
    let mut wanted: Vec<_> = accept_language
        .split(',')
        .take(MOST)
        .filter_map(|item| {
            let (tag, quality) = item.split_once(';').unwrap_or((item, "q=1"));
            let quality: f32 = quality.trim().strip_prefix("q=")?.trim().parse().ok()?;
            (quality > 0.0).then_some((tag.trim(), quality))
        })
        .collect();
    wanted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    wanted
        .into_iter()
        .find_map(|(tag, _)| known(tag))
        .unwrap_or(AUTO)
}

/// The supported tag for a language: the same tag, or the tag without country or script. Norwegian also matches its
/// older tag.
fn known(tag: &str) -> Option<&'static str> {
    let same = |tag: &str| {
        let mut locales = LOCALES.into_iter();
        locales.find(|locale| locale.eq_ignore_ascii_case(tag))
    };
    let (language, rest) = tag.split_once('-').unwrap_or((tag, ""));
    let language = match language {
        "no" | "nn" => "nb",
        "tl" => "fil",
        other => other,
    };
    let is_american_spanish = language.eq_ignore_ascii_case("es")
        && !["", "es", "gq"].contains(&rest.to_ascii_lowercase().as_str());
    if is_american_spanish {
        return same("es-419");
    }
    // Traditional Chinese characters.
    let is_traditional =
        language.eq_ignore_ascii_case("zh") && rest.to_ascii_lowercase().starts_with("hant");
    if is_traditional {
        return same("zh-TW");
    }
    same(tag).or_else(|| same(language))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_first_language_that_stripe_has_is_taken() {
        for (accepted, locale) in [
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("en-GB,en;q=0.5", "en-GB"),
            ("en-US,en;q=0.5", "en"),
            ("tlh, fr-CA;q=0.7, en;q=0.9", "en"),
            ("fr-ca", "fr-CA"),
            ("es-MX", "es-419"),
            ("es-ES", "es"),
            ("no", "nb"),
            ("zh-Hant-HK", "zh-TW"),
            ("de;q=0, it", "it"),
            ("*", "auto"),
            ("", "auto"),
            ("de;q=x", "auto"),
            ("\u{0}\u{7f};;;,,,", "auto"),
        ] {
            assert_eq!(of(accepted), locale, "{accepted}");
        }
    }
}
