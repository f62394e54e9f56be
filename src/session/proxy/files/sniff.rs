//! What kind of contents a file without a telling name has, by its first bytes (Go: `http.DetectContentType`).
//!
//! What it is not: more than Go knows. Only [`super`] asks it.

/// So many bytes are looked at.
pub(super) const LOOK: usize = 512;

/// The beginnings of HTML; a blank or `>` has to follow.
const HTML: [&str; 17] = [
    "<!DOCTYPE HTML",
    "<HTML",
    "<HEAD",
    "<SCRIPT",
    "<IFRAME",
    "<H1",
    "<DIV",
    "<FONT",
    "<TABLE",
    "<A",
    "<STYLE",
    "<TITLE",
    "<B",
    "<BODY",
    "<BR",
    "<P",
    "<!--",
];

/// Beginnings, in Go's order; `?` is any byte.
const SIGNS: [(&[u8], &str); 32] = [
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xfe\xff??", "text/plain; charset=utf-16be"),
    (b"\xff\xfe??", "text/plain; charset=utf-16le"),
    (b"\xef\xbb\xbf?", UTF8),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"\0\0\x02\0", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"RIFF????WEBPVP", "image/webp"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"FORM????AIFF", "audio/aiff"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\0", "application/ogg"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"RIFF????AVI ", "video/avi"),
    (b"RIFF????WAVE", "audio/wave"),
    (b"????ftyp", "video/mp4"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"??????????????????????????????????LP", "application/vnd.ms-fontobject"),
    (b"\0\x01\0\0", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07\0", "application/x-rar-compressed"),
    (b"Rar!\x1a\x07\x01\0", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
];
const UTF8: &str = "text/plain; charset=utf-8";

/// The type, by what a file begins with (up to [`LOOK`] bytes of it).
pub(super) fn sniff(first: &[u8]) -> &'static str {
    let blank = |byte: &u8| matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ');
    let text = &first[first.iter().position(|byte| !blank(byte)).unwrap_or(first.len())..];
    let html = |tag: &str| {
        text.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag.as_bytes()))
            && matches!(text.get(tag.len()), Some(b' ' | b'>'))
    };
    if HTML.iter().any(|tag| html(tag)) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    let sign = |sign: &[u8]| {
        first.len() >= sign.len() && sign.iter().zip(first).all(|(sign, byte)| *sign == b'?' || sign == byte)
    };
    let found = SIGNS.iter().find(|(begin, kind)| match *kind {
        "video/mp4" => sign(begin) && is_mp4(first),
        _ => sign(begin),
    });
    let binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    match found {
        Some((_, kind)) => kind,
        None if text.iter().any(binary) => "application/octet-stream",
        None => UTF8,
    }
}

/// Whether one of the brands in an `ftyp` box is an MP4 one.
fn is_mp4(first: &[u8]) -> bool {
    let Some(size) = first.first_chunk().map(|size| u32::from_be_bytes(*size) as usize) else { return false };
    let brands = (8..size).step_by(4).filter(|at| *at != 12);
    first.len() >= size.max(12)
        && size % 4 == 0
        && brands.into_iter().any(|at| first[at..].starts_with(b"mp4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_told_as_in_go() {
        for (first, kind) in [
            (&b""[..], UTF8),
            (b"hello\n", UTF8),
            (b"hello\x01", "application/octet-stream"),
            (b" \n<html>", "text/html; charset=utf-8"),
            (b"<!doctype html>", "text/html; charset=utf-8"),
            (b"<htmlx>", UTF8),
            (b"<!--", UTF8),
            (b"\t<?xml version", "text/xml; charset=utf-8"),
            (b"%PDF-1.7", "application/pdf"),
            (b"\xef\xbb\xbfa", UTF8),
            (b"\xff\xfea\0", "text/plain; charset=utf-16le"),
            (b"\0\0\x01\0\x01", "image/x-icon"),
            (b"\x89PNG\r\n\x1a\n\0", "image/png"),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp"),
            (b"RIFF\x01\x02\x03\x04WAVEfmt ", "audio/wave"),
            (b"\0\0\0\x14ftypisom\0\0\0\0mp42", "video/mp4"),
            (b"\0\0\0\x14ftypisom\0\0\0\0isom", "application/octet-stream"),
            (b"\0\0\0\x10ftypisommp42", "application/octet-stream"),
            (b"\0\0\0\xffftypmp42", "application/octet-stream"),
            (b"PK\x03\x04", "application/zip"),
            (b"\x1f\x8b\x08\0", "application/x-gzip"),
            (b"\0asm\x01\0\0\0", "application/wasm"),
        ] {
            assert_eq!(sniff(first), kind, "{}", first.escape_ascii());
        }
    }
}
