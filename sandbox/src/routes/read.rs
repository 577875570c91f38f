//! Reading what is stored: one object by its id, and lists page by page.

use axum::Json;
use serde_json::Value;

use crate::{
    state::{
        Shared, State,
        table::{Row, Table},
    },
    wire::{
        error::{Answer, ApiError},
        listing::{Page, list, part},
        params::Params,
    },
};

/// A kind of object, as the API reads it. A handler first takes out of the parameters what it knows
/// itself; what is left is refused here.
#[derive(Debug)]
pub struct Kind<R: 'static = Value> {
    /// As messages name it.
    pub noun: &'static str,
    /// Where the list of all is; empty if there are only lists below other objects.
    pub url: &'static str,
    pub table: fn(&State) -> &Table<R>,
    /// Whether its lists can be filtered by `created`.
    pub dated: bool,
}

impl<R: Row> Kind<R> {
    pub fn retrieve(
        &self,
        app: &Shared,
        id: &str,
        params: Params,
        shown: impl FnOnce(&State, Value) -> Value,
    ) -> Answer {
        params.finish()?;
        let state = app.read();
        let object = (self.table)(&state)
            .read(id)
            .ok_or_else(|| ApiError::no_such(self.noun, id))?;
        Ok(Json(shown(&state, object)))
    }

    /// One page of the objects that are wanted.
    pub fn list(
        &self,
        app: &Shared,
        params: Params,
        wanted: impl Fn(&Value) -> bool,
        shown: impl Fn(&State, Value) -> Value,
    ) -> Answer {
        self.list_below(app, params, self.url, |_| Ok(()), wanted, shown)
    }

    /// The same at the address of another object. `owner` refuses if that does not exist.
    pub fn list_below(
        &self,
        app: &Shared,
        mut params: Params,
        url: &str,
        owner: impl FnOnce(&State) -> Result<(), ApiError>,
        wanted: impl Fn(&Value) -> bool,
        shown: impl Fn(&State, Value) -> Value,
    ) -> Answer {
        let page = if self.dated {
            Page::dated(&mut params)?
        } else {
            Page::from(&mut params)?
        };
        params.finish()?;
        let state = app.read();
        owner(&state)?;
        let (data, more) = (self.table)(&state).page(&page, self.noun, wanted)?;
        let data = data
            .into_iter()
            .map(|object| shown(&state, object))
            .collect();
        Ok(Json(list(url, data, more)))
    }
}

/// Shows the object as it is stored.
pub fn whole(_: &State, object: Value) -> Value {
    object
}

/// One page of a list that is part of an object, or follows from what is stored.
pub fn list_part(
    app: &Shared,
    mut params: Params,
    noun: &str,
    url: &str,
    rows: impl FnOnce(&State) -> Result<Vec<Value>, ApiError>,
) -> Answer {
    let page = Page::from(&mut params)?;
    params.finish()?;
    let rows = rows(&app.read())?;
    let (data, more) = part(&rows, &page, noun)?;
    Ok(Json(list(url, data, more)))
}

/// The entries of a list inside an object.
pub fn entries(list: &Value) -> Vec<Value> {
    list.as_array().cloned().unwrap_or_default()
}
