//! Lists and watches in JSON: only the bounds of values are found here, with a scanner that knows strings and
//! brackets. Whether a value is sound JSON is for its reader to say.

use super::{EventType, ListMeta, MAX_META, MAX_OBJECT, WireError};

/// Finds where a JSON value that begins at the first byte ends.
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// A number or literal: it ends before the next delimiter.
    bare: bool,
}

/// Deeper than this, no Kubernetes object nests.
const MAX_DEPTH: u32 = 512;

impl Extent {
    /// Goes on over `data`. `Some(n)`: the value ends after the first `n` bytes of it.
    fn scan(&mut self, data: &[u8]) -> Result<Option<usize>, WireError> {
        for (i, byte) in data.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Ok(Some(i + 1));
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' if !self.bare => self.in_string = true,
                b'{' | b'[' if !self.bare => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(WireError::Malformed("too deeply nested"));
                    }
                }
                b'}' | b']' | b',' | b' ' | b'\n' | b'\r' | b'\t' if self.bare => return Ok(Some(i)),
                b'}' | b']' => {
                    self.depth =
                        self.depth.checked_sub(1).ok_or(WireError::Malformed("a bracket too many"))?;
                    if self.depth == 0 {
                        return Ok(Some(i + 1));
                    }
                }
                _ if self.depth == 0 => {
                    if matches!(byte, b',' | b':') {
                        return Err(WireError::Malformed("a value is missing"));
                    }
                    self.bare = true;
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// A value that may span chunks.
#[derive(Debug, Default)]
struct Value {
    extent: Extent,
    carry: Vec<u8>,
}

impl Value {
    /// `Some(n)` once it is complete, with the first `n` bytes of the chunk; else the chunk is kept.
    fn push(&mut self, chunk: &[u8], what: &'static str, bound: usize) -> Result<Option<usize>, WireError> {
        let end = self.extent.scan(chunk)?;
        let more = &chunk[..end.unwrap_or(chunk.len())];
        if self.carry.len() + more.len() > bound {
            return Err(WireError::TooLarge(what, bound));
        }
        if end.is_none() || !self.carry.is_empty() {
            self.carry.extend_from_slice(more);
        }
        if end.is_some() {
            self.extent = Extent::default();
        }
        Ok(end)
    }

    /// The value that [`Self::push`] found: kept, or in the chunk as a whole.
    fn get<'a>(&'a self, in_chunk: &'a [u8]) -> &'a [u8] {
        if self.carry.is_empty() { in_chunk } else { &self.carry }
    }
}

/// Where in the list's outermost object we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    /// A key or the end may come; whether a comma must be there first.
    BeforeKey,
    Key,
    Colon,
    /// The value of a key begins.
    BeforeValue,
    Member,
    /// Between the items.
    Items,
    Item,
    End,
}

/// Decoder of a JSON list (`{"kind": …, "metadata": {…}, "items": […]}`, in whatever order).
#[derive(Debug, Default)]
pub struct JsonList {
    place: Place,
    key: Vec<u8>,
    value: Value,
    meta: ListMeta,
    kind: String,
    seen_items: bool,
    items: usize,
}

impl JsonList {
    /// Takes the next bytes of the body and hands on every item that they complete.
    ///
    /// # Errors
    /// The first thing that makes no sense, or the first error of `item`. The decoder is of no use after it.
    pub fn push<E: From<WireError>>(
        &mut self,
        mut chunk: &[u8],
        mut item: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(&byte) = chunk.first() {
            if matches!(self.place, Place::Key | Place::Member | Place::Item) {
                let (what, bound) = if self.place == Place::Item {
                    ("an object", MAX_OBJECT)
                } else {
                    ("the list's head", MAX_META)
                };
                let Some(end) = self.value.push(chunk, what, bound)? else { return Ok(()) };
                let (value, rest) = chunk.split_at(end);
                let value = self.value.get(value);
                match self.place {
                    Place::Key => {
                        self.key.clear();
                        self.key.extend_from_slice(value);
                        self.place = Place::Colon;
                    }
                    Place::Item => {
                        self.items += 1;
                        item(value)?;
                        self.place = Place::Items;
                    }
                    _ => {
                        match self.key.as_slice() {
                            b"\"metadata\"" => self.meta = list_meta(value)?,
                            b"\"kind\"" => self.kind = serde_json::from_slice(value).unwrap_or_default(),
                            // `"items": null` is an empty list to Go.
                            b"\"items\"" => self.seen_items = true,
                            _ => {}
                        }
                        self.place = Place::BeforeKey;
                    }
                }
                chunk = rest;
                self.value.carry.clear();
                continue;
            }
            if !byte.is_ascii_whitespace() && !self.outside(byte)? {
                continue;
            }
            chunk = &chunk[1..];
        }
        Ok(())
    }

    /// A byte between values. `false`: it begins a value and is still to be read.
    fn outside(&mut self, byte: u8) -> Result<bool, WireError> {
        self.place = match (self.place, byte) {
            (Place::Start, b'{') | (Place::BeforeKey, b',') | (Place::Items, b']') => Place::BeforeKey,
            (Place::BeforeKey, b'}') => Place::End,
            (Place::BeforeKey, b'"') => {
                self.place = Place::Key;
                return Ok(false);
            }
            (Place::Colon, b':') => Place::BeforeValue,
            (Place::BeforeValue, b'[') if self.key == b"\"items\"" => {
                self.seen_items = true;
                Place::Items
            }
            (Place::BeforeValue, _) => {
                self.place = Place::Member;
                return Ok(false);
            }
            (Place::Items, b',') => Place::Items,
            (Place::Items, _) => {
                self.place = Place::Item;
                return Ok(false);
            }
            (Place::Start, _) => return Err(WireError::Malformed("it is no JSON object")),
            (Place::End, _) => return Err(WireError::Malformed("something follows the list")),
            _ => return Err(WireError::Malformed("a member of the list's object is broken")),
        };
        Ok(true)
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when the object is not complete; [`WireError::Malformed`] when it is no list.
    pub fn finish(self) -> Result<ListMeta, WireError> {
        if self.place != Place::End {
            return Err(WireError::Truncated);
        }
        if !self.seen_items && !self.kind.ends_with("List") {
            return Err(WireError::Malformed("it is no list"));
        }
        Ok(self.meta)
    }

    /// How many items there were so far.
    pub fn items(&self) -> usize {
        self.items
    }
}

fn list_meta(data: &[u8]) -> Result<ListMeta, WireError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Meta {
        resource_version: Option<String>,
        #[serde(rename = "continue")]
        continue_token: Option<String>,
        remaining_item_count: Option<i64>,
    }
    let meta: Option<Meta> =
        serde_json::from_slice(data).map_err(|_| WireError::Malformed("the list's metadata"))?;
    Ok(meta.map_or_else(ListMeta::default, |m| ListMeta {
        resource_version: m.resource_version.unwrap_or_default(),
        continue_token: m.continue_token.unwrap_or_default(),
        remaining: m.remaining_item_count,
    }))
}

/// Decoder of a JSON watch: objects `{"type": …, "object": {…}}`, one after another.
#[derive(Debug, Default)]
pub struct JsonWatch {
    value: Value,
    inside: bool,
}

impl JsonWatch {
    /// Takes the next bytes of the body and hands on every event that they complete, with the object's JSON.
    ///
    /// # Errors
    /// The first thing that makes no sense, or the first error of `event`. The decoder is of no use after it.
    pub fn push<E: From<WireError>>(
        &mut self,
        mut chunk: &[u8],
        mut event: impl FnMut(EventType, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(&byte) = chunk.first() {
            if !self.inside {
                match byte {
                    b'{' => self.inside = true,
                    _ if byte.is_ascii_whitespace() => chunk = &chunk[1..],
                    _ => return Err(WireError::Malformed("an event is no JSON object").into()),
                }
                continue;
            }
            let Some(end) = self.value.push(chunk, "an event", MAX_OBJECT)? else { return Ok(()) };
            let (value, rest) = chunk.split_at(end);
            let (kind, object) = members(self.value.get(value))?;
            event(kind, object)?;
            chunk = rest;
            self.value.carry.clear();
            self.inside = false;
        }
        Ok(())
    }

    /// Whether the stream may end here: between two events.
    pub fn at_boundary(&self) -> bool {
        !self.inside
    }
}

/// `type` and `object` of one event.
fn members(event: &[u8]) -> Result<(EventType, &[u8]), WireError> {
    let broken = WireError::Malformed("an event's members");
    let (mut kind, mut object): (EventType, Option<&[u8]>) = (EventType::Other, None);
    let mut rest = event.strip_prefix(b"{").ok_or_else(|| broken.clone())?;
    loop {
        rest = rest.trim_ascii_start();
        match rest.first() {
            Some(b'}') => break,
            Some(b',') => {
                rest = &rest[1..];
                continue;
            }
            Some(b'"') => {}
            _ => return Err(broken),
        }
        let end = Extent::default().scan(rest)?.ok_or_else(|| broken.clone())?;
        let (key, after) = rest.split_at(end);
        rest = after.trim_ascii_start().strip_prefix(b":").ok_or_else(|| broken.clone())?.trim_ascii_start();
        let end = Extent::default().scan(rest)?.ok_or_else(|| broken.clone())?;
        let (value, after) = rest.split_at(end);
        match key {
            b"\"type\"" => {
                kind = EventType::from(
                    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(b""),
                );
            }
            b"\"object\"" => object = Some(value),
            _ => {}
        }
        rest = after;
    }
    object.map(|object| (kind, object)).ok_or(broken)
}
