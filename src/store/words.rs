//! Enums that a column stores as text. Each is defined once, with the text of each variant.

/// The column holds a text that no variant of the enum has: a newer version of this program wrote it.
#[derive(Debug, thiserror::Error)]
#[error("the database holds {word:?}, which is no {of}")]
pub struct UnknownWord {
    pub word: String,
    pub of: &'static str,
}

macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The text as stored.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            pub fn parse(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|it| it.as_str() == word)
            }
        }

        impl<DB: sqlx::Database> sqlx::Type<DB> for $name
        where
            str: sqlx::Type<DB>,
        {
            fn type_info() -> DB::TypeInfo {
                <str as sqlx::Type<DB>>::type_info()
            }

            fn compatible(of: &DB::TypeInfo) -> bool {
                <str as sqlx::Type<DB>>::compatible(of)
            }
        }

        impl<'r, DB: sqlx::Database> sqlx::Decode<'r, DB> for $name
        where
            &'r str: sqlx::Decode<'r, DB>,
        {
            fn decode(
                value: DB::ValueRef<'r>,
            ) -> std::result::Result<$name, sqlx::error::BoxDynError> {
                let word = <&str as sqlx::Decode<'r, DB>>::decode(value)?;
                Ok($name::try_from(word.to_owned())?)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::store::words::UnknownWord;

            fn try_from(word: String) -> std::result::Result<$name, $crate::store::words::UnknownWord> {
                let of = stringify!($name);
                $name::parse(&word).ok_or($crate::store::words::UnknownWord { word, of })
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::store::{event, outbox, session, sign_in};

    /// The quoted texts in lines that name the column.
    fn words_of<'t>(text: &'t str, column: &str) -> Vec<&'t str> {
        text.lines()
            .filter(|line| line.contains(column))
            .flat_map(|line| line.split('\'').skip(1).step_by(2))
            .filter(|word| !word.is_empty())
            .filter(|word| {
                word.bytes()
                    .all(|it| it.is_ascii_lowercase() || b"_-".contains(&it))
            })
            .collect()
    }

    #[test]
    fn words_in_statements_are_those_of_the_enums() {
        type IsKnown = fn(&str) -> bool;
        let is_state: IsKnown = |word| event::State::parse(word).is_some();
        let is_why: IsKnown = |word| session::Why::parse(word).is_some();
        let is_end: IsKnown = |word| sign_in::End::parse(word).is_some();
        for (text, column, is_known, least) in [
            (include_str!("event.rs"), "state", is_state, 9),
            (include_str!("erased.rs"), "state", is_state, 5),
            (include_str!("session.rs"), "ended_for", is_why, 5),
            (include_str!("sign_in.rs"), "ended_for", is_end, 2),
        ] {
            let words = words_of(text, column);
            assert!(words.len() >= least, "{words:?}");
            for word in words {
                assert!(is_known(word), "{column}: {word}");
            }
        }
    }

    #[test]
    fn words_are_read_back_and_others_refused() {
        for state in event::State::ALL {
            assert_eq!(event::State::parse(state.as_str()), Some(*state));
        }
        for kind in outbox::Kind::ALL {
            assert_eq!(outbox::Kind::parse(kind.as_str()), Some(*kind));
        }
        for why in session::Why::ALL {
            assert_eq!(session::Why::parse(why.as_str()), Some(*why));
        }
        for end in sign_in::End::ALL {
            assert_eq!(sign_in::End::parse(end.as_str()), Some(*end));
        }
        let error = event::State::try_from("lost".to_owned()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the database holds \"lost\", which is no State"
        );
    }
}
