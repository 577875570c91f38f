//! The tree of parameters that a form's pairs make.

#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    Text(String),
    Group(Vec<(String, Entry)>),
}

/// `a[b][]` into `a`, `b` and an empty piece. A key whose brackets do not close is one piece.
pub fn split(key: &str) -> Vec<&str> {
    let Some((head, rest)) = key.split_once('[') else {
        return vec![key];
    };
    let Some(inner) = rest.strip_suffix(']') else {
        return vec![key];
    };
    std::iter::once(head).chain(inner.split("][")).collect()
}

pub fn insert(entries: &mut Vec<(String, Entry)>, path: &[&str], value: &str) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let name = if name.is_empty() {
        place_in_list(entries, rest.first())
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

/// `a[][x]=1&a[][y]=2` is one entry of the list, and a second `a[][x]` begins the next.
fn place_in_list(entries: &[(String, Entry)], field: Option<&&str>) -> String {
    if let (Some((last, Entry::Group(children))), Some(field)) = (entries.last(), field)
        && !children.iter().any(|(key, _)| key == field)
    {
        return last.clone();
    }
    entries.len().to_string()
}
