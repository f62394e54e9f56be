//! The few things that must be known about a certificate, read from its DER: the DNS names of a server's.
//!
//! Not a verifier: rustls has verified the certificate before this looks at it.

/// `subjectAltName` (2.5.29.17), as DER.
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;

/// The DNS names that a certificate is valid for. Empty where there are none, or where it cannot be read.
pub(super) fn dns_names(certificate: &[u8]) -> Vec<String> {
    extension(certificate, SUBJECT_ALT_NAME).map_or_else(Vec::new, |names| {
        elements(names)
            .filter(|(tag, _)| *tag == DNS_NAME)
            .map(|(_, name)| String::from_utf8_lossy(name).to_ascii_lowercase())
            .collect()
    })
}

/// The content of an extension (inside its outer SEQUENCE).
fn extension<'a>(certificate: &'a [u8], id: &[u8]) -> Option<&'a [u8]> {
    let to_be_signed = element(element(certificate)?.content)?.content;
    let (_, extensions) = elements(to_be_signed).find(|(tag, _)| *tag == EXTENSIONS)?;
    let list = element(extensions)?.content;
    let (_, found) = elements(list).find(|(tag, content)| *tag == SEQUENCE && content.starts_with(id))?;
    // Behind the identifier an optional "critical" may stand.
    let (_, value) = elements(found).find(|(tag, _)| *tag == OCTET_STRING)?;
    element(value).map(|names| names.content)
}

/// One element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

/// The DER element at the start of `data`, and what follows it.
fn element(data: &[u8]) -> Option<Element<'_>> {
    let (&tag, data) = data.split_first()?;
    let (&first, mut data) = data.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (digits, rest) =
            data.split_at_checked(usize::from(first & 0x7f)).filter(|(d, _)| d.len() <= 4)?;
        length = digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit));
        data = rest;
    }
    let (content, rest) = data.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}

/// The elements of a constructed one, as far as they can be read.
fn elements(mut data: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let next = element(data)?;
        data = next.rest;
        Some((next.tag, next.content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_has_no_names_and_does_not_panic() {
        assert_eq!(dns_names(&[]), Vec::<String>::new());
        assert_eq!(dns_names(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 1]), Vec::<String>::new());
        for n in 0..64u8 {
            let bytes: Vec<u8> = (0..n).map(|i| i.wrapping_mul(37) ^ n).collect();
            assert_eq!(dns_names(&bytes), Vec::<String>::new());
        }
    }
}
