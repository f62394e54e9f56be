//! The protobuf wire format, as far as framing needs it, and Kubernetes' envelope around each message.

use super::WireError;

/// Begins every message (apimachinery: `protobuf.go`, `protoEncodingPrefix`).
pub(super) const MAGIC: &[u8; 4] = b"k8s\0";

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// An integer (also both fixed widths).
    Number(u64),
    /// Bytes, text or a message.
    Bytes(&'a [u8]),
}

/// The start of a field: what can be told before its content is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) number: u64,
    /// Bytes of the head itself, the length included.
    pub(super) size: usize,
    /// Bytes of content that follow; for an integer they are part of the content.
    pub(super) content: u64,
    /// Whether the content is length-delimited.
    pub(super) delimited: bool,
}

/// A varint at the start of `data` and its size; `None` when it is not complete.
pub(super) fn varint(data: &[u8]) -> Result<Option<(u64, usize)>, WireError> {
    let mut value = 0u64;
    for (i, byte) in data.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((value, i + 1)));
        }
    }
    if data.len() >= 10 { Err(WireError::Malformed("a number without end")) } else { Ok(None) }
}

/// The head of the field at the start of `data`; `None` when it is not complete.
pub(super) fn head(data: &[u8]) -> Result<Option<Head>, WireError> {
    let Some((key, size)) = varint(data)? else { return Ok(None) };
    let number = key >> 3;
    if number == 0 {
        return Err(WireError::Malformed("a field without number"));
    }
    let plain = |content| Ok(Some(Head { number, size, content, delimited: false }));
    match key & 7 {
        0 => match varint(&data[size..])? {
            Some((_, content)) => plain(content as u64),
            None => Ok(None),
        },
        1 => plain(8),
        5 => plain(4),
        2 => Ok(varint(&data[size..])?.map(|(content, length)| Head {
            number,
            size: size + length,
            content,
            delimited: true,
        })),
        _ => Err(WireError::Malformed("an unknown field type")),
    }
}

/// The fields of a message that is there as a whole.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Result<(u64, Field<'a>), WireError> {
        let head = head(self.0)?.ok_or(WireError::Truncated)?;
        let content = usize::try_from(head.content).map_err(|_| WireError::Truncated)?;
        let rest = &self.0[head.size..];
        let body = rest.get(..content).ok_or(WireError::Truncated)?;
        self.0 = &rest[content..];
        let field = if head.delimited {
            Field::Bytes(body)
        } else {
            Field::Number(match varint(body) {
                Ok(Some((value, size))) if size == content => value,
                _ => body.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            })
        };
        Ok((head.number, field))
    }
}

/// A message without its envelope (`runtime.Unknown`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Kind of the object (`Pod`, `Status`, …); empty if not said.
    pub kind: &'a [u8],
    /// The object itself.
    pub raw: &'a [u8],
}

/// Takes a message out of its envelope.
///
/// # Errors
/// Bytes that are no such message.
pub fn unwrap(data: &[u8]) -> Result<Envelope<'_>, WireError> {
    let data = data.strip_prefix(MAGIC).ok_or(WireError::Magic)?;
    let mut envelope = Envelope { kind: &[], raw: &[] };
    for field in Fields(data) {
        match field? {
            (1, Field::Bytes(meta)) => envelope.kind = kind(meta)?,
            (2, Field::Bytes(raw)) => envelope.raw = raw,
            _ => {}
        }
    }
    Ok(envelope)
}

/// `kind` of a `runtime.TypeMeta`.
pub(super) fn kind(type_meta: &[u8]) -> Result<&[u8], WireError> {
    let mut found: &[u8] = &[];
    for field in Fields(type_meta) {
        if let (2, Field::Bytes(kind)) = field? {
            found = kind;
        }
    }
    Ok(found)
}
