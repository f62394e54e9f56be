//! `metav1.Status`: what the API server says when it refuses something.

use super::proto::{self, Field, Fields};

/// What the API server says when it refuses something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Sentence for people.
    pub message: String,
    /// One word for programs (`Expired`, `Forbidden`, …).
    pub reason: String,
    /// HTTP status code; 0 if not said.
    pub code: u16,
    /// `details.retryAfterSeconds`; 0 if not said.
    pub retry_after: u32,
}

impl Status {
    /// Reads a whole body, protobuf or JSON, whichever it is. A body that is no Status (a proxy's HTML page)
    /// becomes the message, shortened.
    pub fn from_body(body: &[u8]) -> Self {
        if body.starts_with(proto::MAGIC) {
            return proto::unwrap(body).map(|e| Self::from_proto(e.raw)).unwrap_or_default();
        }
        Self::from_json(body).unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&body[..body.len().min(400)]);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            Self { message: text.chars().take(200).collect(), ..Self::default() }
        })
    }

    /// Reads a protobuf Status without envelope. What cannot be read stays empty.
    pub fn from_proto(data: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut status = Self::default();
        for field in Fields(data).flatten() {
            match field {
                (3, Field::Bytes(message)) => status.message = text(message),
                (4, Field::Bytes(reason)) => status.reason = text(reason),
                (5, Field::Bytes(details)) => {
                    for field in Fields(details).flatten() {
                        if let (5, Field::Number(seconds)) = field {
                            status.retry_after = u32::try_from(seconds).unwrap_or(0);
                        }
                    }
                }
                (6, Field::Number(code)) => status.code = u16::try_from(code).unwrap_or(0),
                _ => {}
            }
        }
        status
    }

    /// Reads a JSON Status; `None` if it is none.
    pub fn from_json(data: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(data).ok()?;
        if value.get("kind")?.as_str()? != "Status" {
            return None;
        }
        let text = |key: &str| value.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        let number =
            |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_u64).unwrap_or(0);
        Some(Self {
            message: text("message"),
            reason: text("reason"),
            code: u16::try_from(number(value.get("code"))).unwrap_or(0),
            retry_after: u32::try_from(number(value.pointer("/details/retryAfterSeconds"))).unwrap_or(0),
        })
    }
}
