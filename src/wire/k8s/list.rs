//! A protobuf list, item by item.
//!
//! The body is an envelope (`k8s\0`, then `runtime.Unknown`) whose `raw` (field 2) is the list:
//! `{metadata = 1, items = 2, repeated}`. `raw` is as large as the list, so it is never collected; its fields are
//! read one after another.

use super::proto::{self, Field, Fields, Head, MAGIC};
use super::{ListMeta, MAX_META, MAX_OBJECT, WireError};

/// Decoder of a protobuf list. Feed it with [`Self::push`], end with [`Self::finish`].
#[derive(Debug, Default)]
pub struct ProtoList {
    state: State,
    /// The beginning of an element whose end has not arrived.
    carry: Vec<u8>,
    /// How long `carry` must become before it is worth a look.
    need: usize,
    meta: ListMeta,
    items: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Magic,
    /// Between the envelope's fields; whether the list was there already.
    Envelope { seen: bool },
    /// Inside the list, with so many bytes to go.
    List { left: u64 },
    /// Inside a field that nobody wants, with so many bytes to go.
    Skip { left: u64, back: Back },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    Envelope { seen: bool },
    List { left: u64 },
}

/// What one look at the data came to.
enum Step<'a> {
    /// So many bytes are dealt with; one item may be among them.
    Took(usize, Option<&'a [u8]>),
    /// Nothing can be said before so many bytes are there.
    Need(usize),
}

impl ProtoList {
    /// Takes the next bytes of the body and hands on every item that they complete.
    ///
    /// # Errors
    /// The first thing that makes no sense, or the first error of `item`. The decoder is of no use after it.
    pub fn push<E: From<WireError>>(
        &mut self,
        mut chunk: &[u8],
        mut item: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !self.carry.is_empty() {
            let missing = self.need.saturating_sub(self.carry.len()).min(chunk.len());
            self.carry.extend_from_slice(&chunk[..missing]);
            chunk = &chunk[missing..];
            if self.carry.len() < self.need {
                return Ok(());
            }
            let carry = std::mem::take(&mut self.carry);
            let rest = self.consume(&carry, &mut item)?.len();
            let used = carry.len() - rest;
            self.carry = carry;
            self.carry.drain(..used);
        }
        let rest = self.consume(chunk, &mut item)?;
        self.carry.extend_from_slice(rest);
        Ok(())
    }

    /// The body has ended.
    ///
    /// # Errors
    /// [`WireError::Truncated`] when the list is not complete.
    pub fn finish(self) -> Result<ListMeta, WireError> {
        match self.state {
            State::Envelope { seen: true } if self.carry.is_empty() => Ok(self.meta),
            _ => Err(WireError::Truncated),
        }
    }

    /// How many items there were so far.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Works through `data` as far as it is complete, and returns what is left.
    fn consume<'a, E: From<WireError>>(
        &mut self,
        mut data: &'a [u8],
        item: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        while !data.is_empty() {
            match self.step(data)? {
                Step::Need(need) => {
                    self.need = need;
                    break;
                }
                Step::Took(used, found) => {
                    if let Some(found) = found {
                        self.items += 1;
                        item(found)?;
                    }
                    data = &data[used..];
                }
            }
        }
        Ok(data)
    }

    fn step<'a>(&mut self, data: &'a [u8]) -> Result<Step<'a>, WireError> {
        match self.state {
            State::Magic => {
                let there = data.len().min(MAGIC.len());
                if data[..there] != MAGIC[..there] {
                    return Err(WireError::Magic);
                }
                if there < MAGIC.len() {
                    return Ok(Step::Need(MAGIC.len()));
                }
                self.state = State::Envelope { seen: false };
                Ok(Step::Took(MAGIC.len(), None))
            }
            State::Skip { left, back } => {
                let used = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
                self.state = State::skip(left - used as u64, back);
                Ok(Step::Took(used, None))
            }
            State::Envelope { seen } => {
                let Some(head) = proto::head(data)? else { return Ok(Step::Need(data.len() + 1)) };
                if head.number == 2 && head.delimited {
                    if seen {
                        return Err(WireError::Malformed("two lists in one answer"));
                    }
                    self.state = State::list(head.content);
                    return Ok(Step::Took(head.size, None));
                }
                Ok(self.skip(&head, Back::Envelope { seen }))
            }
            State::List { left } => self.list_field(data, left),
        }
    }

    fn list_field<'a>(&mut self, data: &'a [u8], left: u64) -> Result<Step<'a>, WireError> {
        let Some(head) = proto::head(data)? else {
            return if data.len() as u64 >= left {
                Err(WireError::Truncated)
            } else {
                Ok(Step::Need(data.len() + 1))
            };
        };
        let total = head.content.saturating_add(head.size as u64);
        let Some(after) = left.checked_sub(total) else {
            return Err(WireError::Malformed("an item reaches beyond its list"));
        };
        let (what, bound) = match (head.delimited, head.number) {
            (true, 1) => ("the list's metadata", MAX_META),
            (true, 2) => ("an object", MAX_OBJECT),
            _ => return Ok(self.skip(&head, Back::List { left: after })),
        };
        let content = usize::try_from(head.content).unwrap_or(usize::MAX);
        if content > bound {
            return Err(WireError::TooLarge(what, bound));
        }
        let end = head.size + content;
        let Some(body) = data.get(head.size..end) else { return Ok(Step::Need(end)) };
        self.state = State::list(after);
        if head.number == 1 {
            self.meta = list_meta(body)?;
            return Ok(Step::Took(end, None));
        }
        Ok(Step::Took(end, Some(body)))
    }

    /// Leaves a field out: its head now, its content as it arrives.
    fn skip<'a>(&mut self, head: &Head, back: Back) -> Step<'a> {
        self.state = State::skip(head.content, back);
        Step::Took(head.size, None)
    }
}

impl State {
    fn skip(left: u64, back: Back) -> Self {
        match back {
            _ if left > 0 => Self::Skip { left, back },
            Back::Envelope { seen } => Self::Envelope { seen },
            Back::List { left } => Self::list(left),
        }
    }

    fn list(left: u64) -> Self {
        if left == 0 { Self::Envelope { seen: true } } else { Self::List { left } }
    }
}

/// `metav1.ListMeta`.
fn list_meta(data: &[u8]) -> Result<ListMeta, WireError> {
    let mut meta = ListMeta::default();
    for field in Fields(data) {
        match field? {
            (2, Field::Bytes(text)) => meta.resource_version = String::from_utf8_lossy(text).into_owned(),
            (3, Field::Bytes(text)) => meta.continue_token = String::from_utf8_lossy(text).into_owned(),
            (4, Field::Number(count)) => meta.remaining = Some(count.cast_signed()),
            _ => {}
        }
    }
    Ok(meta)
}
