//! The tree of parameters that a form's pairs make.

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    Text(String),
    Group(Vec<(String, Entry)>),
}

/// `a[b][]` into `a`, `b` and an empty piece. A key whose brackets do not close is one piece.
pub(super) fn split(key: &str) -> Vec<&str> {
    let Some((head, rest)) = key.split_once('[') else {
        return vec![key];
    };
    let Some(inner) = rest.strip_suffix(']') else {
        return vec![key];
    };
    std::iter::once(head).chain(inner.split("][")).collect()
}

pub(super) fn insert(entries: &mut Vec<(String, Entry)>, path: &[&str], value: &str) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let name = if name.is_empty() {
        entries.len().to_string()
    } else {
        (*name).to_owned()
    };
    let index = match entries.iter().position(|(key, _)| *key == name) {
        Some(index) => index,
        None => {
            entries.push((name, Entry::Group(Vec::new())));
            entries.len() - 1
        }
    };
    let Some((_, entry)) = entries.get_mut(index) else {
        return;
    };
    if rest.is_empty() {
        *entry = Entry::Text(value.to_owned());
        return;
    }
    if let Entry::Text(_) = entry {
        *entry = Entry::Group(Vec::new());
    }
    if let Entry::Group(children) = entry {
        insert(children, rest, value);
    }
}
