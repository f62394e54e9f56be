//! The two reviews as kubectl posts them: in Kubernetes' protobuf envelope.
//!
//! Sources: apimachinery `pkg/runtime/serializer/protobuf`, `k8s.io/api/authorization/v1/generated.proto` and
//! `k8s.io/apimachinery/pkg/runtime/generated.proto`.

use serde_json::{Value, json};

/// Before every object.
const MAGIC: &[u8] = b"k8s\0";

/// Reads a posted review of either kind as the JSON it stands for. `None` for anything else.
pub(super) fn review(body: &[u8]) -> Option<Value> {
    // Unknown: 1 typeMeta (1 apiVersion, 2 kind), 2 raw.
    let envelope = body.strip_prefix(MAGIC)?;
    let kind = text(field(field(envelope, 1)?, 2)?);
    let spec = field(field(envelope, 2)?, 2).unwrap_or_default();
    if kind == "SelfSubjectRulesReview" {
        return Some(json!({"spec": {"namespace": field(spec, 1).map(text).unwrap_or_default()}}));
    }
    let attributes = field(spec, 1).unwrap_or_default();
    let mut out = json!({});
    for (number, key) in [
        (1, "namespace"),
        (2, "verb"),
        (3, "group"),
        (4, "version"),
        (5, "resource"),
        (6, "subresource"),
        (7, "name"),
    ] {
        if let Some(value) = field(attributes, number).filter(|value| !value.is_empty()) {
            out[key] = text(value).into();
        }
    }
    Some(json!({"spec": {"resourceAttributes": out}}))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last length-delimited field with a number.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut found = None;
    while !message.is_empty() {
        let tag = number(&mut message)?;
        let length = match tag & 7 {
            0 => {
                number(&mut message)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(number(&mut message)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, rest) = message.split_at_checked(length)?;
        message = rest;
        if tag == wanted << 3 | 2 {
            found = Some(value);
        }
    }
    found
}

/// A number of seven bits a byte, the low ones first.
fn number(message: &mut &[u8]) -> Option<u64> {
    let mut out = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        out |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(out);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u8, value: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn a_review_in_its_envelope() {
        let kind = [part(1, b"authorization.k8s.io/v1"), part(2, b"SelfSubjectAccessReview")].concat();
        let attributes = [part(1, b"shop"), part(2, b"list"), part(5, b"pods")].concat();
        let raw = [part(1, b""), part(2, &part(1, &attributes))].concat();
        let body = [MAGIC.to_vec(), part(1, &kind), part(2, &raw)].concat();
        let expected = json!({"spec": {"resourceAttributes": {"namespace": "shop", "verb": "list", "resource": "pods"}}});
        assert_eq!(review(&body), Some(expected));
        assert_eq!(review(b"{}"), None);
        for end in 0..body.len() {
            let _ = review(&body[..end]);
        }
    }
}
