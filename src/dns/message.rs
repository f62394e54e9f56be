//! DNS messages: questions to bytes, bytes to replies.
//!
//! What it is not: no sockets, no ids (the transport gives them). Bytes are trusted in nothing: whatever can't be
//! read is an error in a sentence, and hickory-proto's reader bounds names and compression.

use std::fmt::Write as _;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::{self, RData};

use crate::model::dns::{LiveReply, Name, NameError, Record, RecordType, ReplyCode};

/// One question, ready to be sent again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The name, with the final dot.
    name: Name,
    kind: RecordType,
}

/// Bytes before the questions of a message.
const HEADER: usize = 12;

impl Asked {
    /// A question for records of one type.
    ///
    /// # Errors
    /// A name that can't be asked.
    pub fn new(name: &str, kind: RecordType) -> Result<Self, NameError> {
        Ok(Self { name: Name::parse(name)?, kind })
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The type.
    pub fn kind(&self) -> RecordType {
        self.kind
    }

    /// Appends the message for TCP: two bytes of length, then the header with recursion desired, as the libraries in
    /// pods send it (no EDNS: over TCP nothing is cut).
    pub fn write(&self, id: u16, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        write_labels(self.name.as_str(), out);
        out.extend_from_slice(&self.kind.0.to_be_bytes());
        out.extend_from_slice(&[0, 1]);
        // A name has at most 255 bytes, so this always fits.
        let length = u16::try_from(out.len() - start - 2).unwrap_or(u16::MAX);
        out[start..start + 2].copy_from_slice(&length.to_be_bytes());
    }
}

/// A name in presentation form as labels, the root's included.
fn write_labels(name: &str, out: &mut Vec<u8>) {
    let mut bytes = name.bytes().peekable();
    let mut at = out.len();
    out.push(0);
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => {
                let length = out.len() - at - 1;
                if length == 0 {
                    // The root alone.
                    return;
                }
                out[at] = u8::try_from(length).unwrap_or(63);
                at = out.len();
                out.push(0);
            }
            b'\\' => {
                let first = bytes.next().unwrap_or(b'\\');
                if first.is_ascii_digit() {
                    let mut value = u32::from(first - b'0');
                    for _ in 0..2 {
                        value = value * 10 + u32::from(bytes.next().unwrap_or(b'0').wrapping_sub(b'0'));
                    }
                    out.push(u8::try_from(value).unwrap_or(b'?'));
                } else {
                    out.push(first);
                }
            }
            other => out.push(other),
        }
    }
}

/// A reply with the id that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub said: LiveReply,
    /// The question that it repeats, name in lower case.
    pub question: Option<(String, RecordType)>,
    /// The TC flag: something is left out.
    pub cut: bool,
}

/// The id of a message, if it has a header at all.
pub fn id(message: &[u8]) -> Option<u16> {
    (message.len() >= HEADER).then(|| u16::from_be_bytes([message[0], message[1]]))
}

/// Reads a reply.
///
/// # Errors
/// Why it is none, in a sentence.
pub fn read(bytes: &[u8]) -> Result<Reply, String> {
    let message = Message::from_vec(bytes).map_err(|e| format!("the reply can't be read: {e}"))?;
    if message.metadata.message_type != MessageType::Response {
        return Err("it is a question where a reply should be".to_owned());
    }
    let question = message.queries.first();
    let question = question.map(|q| (owner(&q.name).to_ascii_lowercase(), RecordType(q.query_type.into())));
    let records = |list: &[rr::Record]| list.iter().map(record).collect();
    let soa = message.authorities.iter().find(|r| matches!(r.data, RData::SOA(_)));
    Ok(Reply {
        question,
        cut: message.metadata.truncation,
        said: LiveReply {
            rcode: ReplyCode::from_number(message.metadata.response_code.into()),
            answers: records(&message.answers),
            authority: soa.map(record),
            additional: records(&message.additionals),
            authoritative: message.metadata.authoritative,
        },
    })
}

fn record(record: &rr::Record) -> Record {
    let kind = RecordType(record.record_type().into());
    Record::new(owner(&record.name), kind, record.ttl, data(&record.data))
}

/// A name in presentation form as the rest of the program writes it.
fn owner(name: &rr::Name) -> String {
    let mut out = String::new();
    for label in name {
        for byte in label {
            match byte {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                    out.push('\\');
                    out.push(char::from(*byte));
                }
                0x21..=0x7e => out.push(char::from(*byte)),
                _ => drop(write!(out, "\\{byte:03}")),
            }
        }
        out.push('.');
    }
    if out.is_empty() { ".".to_owned() } else { out }
}

/// The data of a record in zone-file form (RFC 1035 section 5.1; unknown types as in RFC 3597).
fn data(data: &RData) -> String {
    match data {
        RData::A(a) => a.0.to_string(),
        RData::AAAA(a) => a.0.to_string(),
        RData::CNAME(name) => owner(&name.0),
        RData::NS(name) => owner(&name.0),
        RData::PTR(name) => owner(&name.0),
        RData::MX(mx) => format!("{} {}", mx.preference, owner(&mx.exchange)),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, owner(&srv.target)),
        RData::SOA(soa) => format!(
            "{} {} {} {} {} {} {}",
            owner(&soa.mname),
            owner(&soa.rname),
            soa.serial,
            soa.refresh,
            soa.retry,
            soa.expire,
            soa.minimum
        ),
        RData::TXT(txt) => txt.txt_data.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" "),
        RData::HINFO(info) => format!("{} {}", quoted(&info.cpu), quoted(&info.os)),
        RData::Unknown { rdata, .. } => {
            let bytes: &[u8] = &rdata.anything;
            let mut text = format!("\\# {}", bytes.len());
            for (i, byte) in bytes.iter().enumerate() {
                let _ = write!(text, "{}{byte:02x}", if i == 0 { " " } else { "" });
            }
            text
        }
        other => other.to_string(),
    }
}

fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => drop(write!(out, "\\{byte:03}")),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(name: &str, kind: RecordType) -> Vec<u8> {
        let mut out = Vec::new();
        Asked::new(name, kind).unwrap().write(7, &mut out);
        out
    }

    #[test]
    fn a_question_is_what_hickory_reads_in_it() {
        let out = bytes("My-App.default.svc.", RecordType::SRV);
        assert_eq!(usize::from(u16::from_be_bytes([out[0], out[1]])), out.len() - 2);
        let message = Message::from_vec(&out[2..]).unwrap();
        assert_eq!((message.metadata.id, message.metadata.recursion_desired), (7, true));
        assert_eq!(message.queries[0].name.to_ascii(), "My-App.default.svc.");
        assert_eq!(message.queries[0].query_type, rr::RecordType::SRV);
    }

    #[test]
    fn escapes_become_bytes_and_come_back() {
        let out = bytes("a\\.b.\\195\\169 x.", RecordType::A);
        let message = Message::from_vec(&out[2..]).unwrap();
        let labels: Vec<_> = message.queries[0].name.iter().map(<[u8]>::to_vec).collect();
        assert_eq!(labels, [b"a.b".to_vec(), "é x".as_bytes().to_vec()]);
        assert_eq!(owner(&message.queries[0].name), "a\\.b.\\195\\169\\032x.");
        assert_eq!(owner(&Message::from_vec(&bytes(".", RecordType::NS)[2..]).unwrap().queries[0].name), ".");
    }

    #[test]
    fn a_question_is_no_reply() {
        assert!(read(&bytes("a.", RecordType::A)[2..]).unwrap_err().contains("question"));
    }

    proptest! {
        #[test]
        fn any_name_that_can_be_asked_comes_back(name in "[a-zA-Z0-9_.\\-é\\\\ ]{1,80}") {
            if let Ok(asked) = Asked::new(&name, RecordType::A) {
                let mut out = Vec::new();
                asked.write(1, &mut out);
                let message = Message::from_vec(&out[2..]).unwrap();
                let back = owner(&message.queries[0].name);
                prop_assert_eq!(Name::parse(&back).unwrap(), asked.name().clone());
            }
        }

        #[test]
        fn no_bytes_make_it_fail_badly(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
