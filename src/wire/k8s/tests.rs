use proptest::prelude::*;

use super::*;

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

fn field(out: &mut Vec<u8>, number: u64, content: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

fn envelope(kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut meta = Vec::new();
    field(&mut meta, 1, b"v1");
    field(&mut meta, 2, kind.as_bytes());
    let mut out = b"k8s\0".to_vec();
    field(&mut out, 1, &meta);
    field(&mut out, 2, raw);
    field(&mut out, 3, b"");
    field(&mut out, 4, b"");
    out
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let mut meta = Vec::new();
    field(&mut meta, 1, b"");
    field(&mut meta, 2, b"4711");
    field(&mut meta, 3, b"next");
    number(&mut meta, 4, 12);
    let mut raw = Vec::new();
    field(&mut raw, 1, &meta);
    number(&mut raw, 9, 300);
    for item in items {
        field(&mut raw, 2, item);
    }
    field(&mut raw, 7, b"unknown");
    envelope("PodList", &raw)
}

fn decode_list(chunks: &[&[u8]]) -> Result<(Vec<Vec<u8>>, ListMeta), WireError> {
    let (mut decoder, mut items) = (ProtoList::default(), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, |item| {
            items.push(item.to_vec());
            Ok::<_, WireError>(())
        })?;
    }
    Ok((items, decoder.finish()?))
}

fn decode_json(chunks: &[&[u8]]) -> Result<(Vec<String>, ListMeta), WireError> {
    let (mut decoder, mut items) = (JsonList::default(), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, |item| {
            items.push(String::from_utf8_lossy(item).into_owned());
            Ok::<_, WireError>(())
        })?;
    }
    Ok((items, decoder.finish()?))
}

fn event(kind: &str, object_kind: &str, raw: &[u8]) -> Vec<u8> {
    let mut extension = Vec::new();
    field(&mut extension, 1, &envelope(object_kind, raw));
    let mut body = Vec::new();
    field(&mut body, 1, kind.as_bytes());
    field(&mut body, 2, &extension);
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

fn decode_watch(chunks: &[&[u8]]) -> Result<Vec<(EventType, String, Vec<u8>)>, WireError> {
    let (mut decoder, mut events) = (ProtoWatch::default(), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, |kind, object| {
            events.push((kind, String::from_utf8_lossy(object.kind).into_owned(), object.raw.to_vec()));
            Ok::<_, WireError>(())
        })?;
    }
    if decoder.at_boundary() { Ok(events) } else { Err(WireError::Truncated) }
}

/// Cuts at the given places (modulo the length).
fn cut<'a>(data: &'a [u8], places: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|p| p % (data.len() + 1)).collect();
    places.sort_unstable();
    let (mut chunks, mut from) = (Vec::new(), 0);
    for place in places {
        chunks.push(&data[from..place]);
        from = place;
    }
    chunks.push(&data[from..]);
    chunks
}

#[test]
fn a_list_yields_its_items_and_its_version_however_it_is_cut() {
    let items = vec![vec![1; 3], vec![], vec![7; 400], vec![9; 1]];
    let body = list(&items);
    let meta =
        ListMeta { resource_version: "4711".into(), continue_token: "next".into(), remaining: Some(12) };
    for size in 1..=body.len() {
        let chunks: Vec<&[u8]> = body.chunks(size).collect();
        assert_eq!(decode_list(&chunks), Ok((items.clone(), meta.clone())), "chunks of {size}");
    }
}

#[test]
fn an_empty_list_is_a_list() {
    assert_eq!(decode_list(&[&envelope("PodList", b"")]), Ok((vec![], ListMeta::default())));
}

#[test]
fn a_list_that_ends_early_is_truncated_wherever_it_ends() {
    let body = list(&[vec![1; 30], vec![2; 30]]);
    // Behind the list proper only two empty fields of the envelope follow, which may be missing.
    for end in 0..body.len() - 4 {
        assert_eq!(decode_list(&[&body[..end]]), Err(WireError::Truncated), "cut at {end}");
    }
}

#[test]
fn lies_about_sizes_are_errors() {
    let mut raw = Vec::new();
    put_varint(&mut raw, 2 << 3 | 2);
    put_varint(&mut raw, 1 << 40);
    assert!(matches!(decode_list(&[&envelope("PodList", &raw)]), Err(WireError::Malformed(_))));
    let mut body = b"k8s\0".to_vec();
    put_varint(&mut body, 2 << 3 | 2);
    put_varint(&mut body, u64::MAX);
    put_varint(&mut body, 2 << 3 | 2);
    put_varint(&mut body, 1 << 40);
    assert_eq!(decode_list(&[&body]), Err(WireError::TooLarge("an object", MAX_OBJECT)));
    let mut frame = u32::MAX.to_be_bytes().to_vec();
    frame.push(1);
    assert_eq!(decode_watch(&[&frame]), Err(WireError::TooLarge("an event", MAX_OBJECT)));
}

#[test]
fn something_else_than_protobuf_is_told_at_once() {
    assert_eq!(decode_list(&[b"<html>"]), Err(WireError::Magic));
    assert_eq!(decode_list(&[b"k8", b"xx"]), Err(WireError::Magic));
}

#[test]
fn events_come_whole_however_the_stream_is_cut() {
    let mut body = event("ADDED", "Pod", &[5; 300]);
    body.extend(event("BOOKMARK", "Pod", &[]));
    body.extend(event("ERROR", "Status", &[1, 2]));
    let expected = vec![
        (EventType::Added, "Pod".to_owned(), vec![5; 300]),
        (EventType::Bookmark, "Pod".to_owned(), vec![]),
        (EventType::Error, "Status".to_owned(), vec![1, 2]),
    ];
    for size in 1..=body.len() {
        let chunks: Vec<&[u8]> = body.chunks(size).collect();
        assert_eq!(decode_watch(&chunks), Ok(expected.clone()), "chunks of {size}");
    }
}

const JSON: &str = r#" {"kind":"PodList","apiVersion":"v1", "metadata":{"resourceVersion":"12","continue":"c","remainingItemCount":3},
 "items" : [ {"a":"}]\"\\","b":[1,{"c":null}]}, {} ,{"x":-1.5e3}],"extra":[true],"n":4}
"#;

#[test]
fn a_json_list_yields_its_items_however_it_is_cut() {
    let items: Vec<String> =
        [r#"{"a":"}]\"\\","b":[1,{"c":null}]}"#, "{}", r#"{"x":-1.5e3}"#].map(str::to_owned).into();
    let meta = ListMeta { resource_version: "12".into(), continue_token: "c".into(), remaining: Some(3) };
    for size in 1..=JSON.len() {
        let chunks: Vec<&[u8]> = JSON.as_bytes().chunks(size).collect();
        assert_eq!(decode_json(&chunks), Ok((items.clone(), meta.clone())), "chunks of {size}");
    }
}

#[test]
fn a_json_list_without_items_is_empty_and_another_object_is_no_list() {
    assert_eq!(
        decode_json(&[br#"{"kind":"PodList","items":null,"metadata":{}}"#]).unwrap().0,
        Vec::<String>::new()
    );
    assert_eq!(decode_json(&[br#"{"kind":"PodList","metadata":{}}"#]).unwrap().0, Vec::<String>::new());
    assert!(decode_json(&[br#"{"kind":"Pod","metadata":{}}"#]).is_err());
    assert!(decode_json(&[b"<html>"]).is_err());
    assert_eq!(decode_json(&[&JSON.as_bytes()[..JSON.len() - 3]]), Err(WireError::Truncated));
}

#[test]
fn json_events_come_one_by_one() {
    let body = "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"s\":\"}\"}}\n{\"object\":{},\"type\":\"DELETED\"}\n";
    for size in 1..=body.len() {
        let (mut decoder, mut events) = (JsonWatch::default(), Vec::new());
        for chunk in body.as_bytes().chunks(size) {
            decoder
                .push(chunk, |kind, object| {
                    events.push((kind, String::from_utf8(object.to_vec()).unwrap()));
                    Ok::<_, WireError>(())
                })
                .unwrap();
        }
        assert!(decoder.at_boundary());
        let expected = [
            (EventType::Added, r#"{"kind":"Pod","s":"}"}"#.to_owned()),
            (EventType::Deleted, "{}".to_owned()),
        ];
        assert_eq!(events, expected, "chunks of {size}");
    }
}

#[test]
fn a_status_is_read_from_both_encodings() {
    let mut raw = Vec::new();
    field(&mut raw, 2, b"Failure");
    field(&mut raw, 3, b"too old resource version");
    field(&mut raw, 4, b"Expired");
    let mut details = Vec::new();
    number(&mut details, 5, 7);
    field(&mut raw, 5, &details);
    number(&mut raw, 6, 410);
    let json = br#"{"kind":"Status","message":"too old resource version","reason":"Expired","code":410,"details":{"retryAfterSeconds":7}}"#;
    let expected = Status {
        message: "too old resource version".into(),
        reason: "Expired".into(),
        code: 410,
        retry_after: 7,
    };
    assert_eq!(Status::from_body(&envelope("Status", &raw)), expected);
    assert_eq!(Status::from_body(json), expected);
    assert_eq!(Status::from_body(b"<html>\n  sorry </html>").message, "<html> sorry </html>");
}

#[test]
fn compressed_answers_are_unpacked_however_they_are_cut_and_must_be_complete() {
    use std::io::Write;
    let plain: Vec<u8> = (0..200_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&plain).unwrap();
    let packed = packer.finish().unwrap();
    let unpack = |packed: &[u8], size: usize| {
        let (mut gunzip, mut out) = (Gunzip::default(), Vec::new());
        let mut take = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok::<_, WireError>(())
        };
        for chunk in packed.chunks(size) {
            gunzip.push(chunk, &mut take)?;
        }
        gunzip.finish()?;
        Ok::<_, WireError>(out)
    };
    for size in [1, 7, 1000, packed.len()] {
        assert_eq!(unpack(&packed, size).as_ref(), Ok(&plain), "chunks of {size}");
    }
    assert_eq!(unpack(&packed[..packed.len() - 9], 1000), Err(WireError::Truncated));
    assert!(matches!(unpack(b"no gzip at all", 5), Err(WireError::Malformed(_))));
}

proptest! {
    #[test]
    fn any_items_survive_any_cutting(
        items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
        places in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let body = list(&items);
        prop_assert_eq!(decode_list(&cut(&body, &places)).unwrap().0, items);
    }

    #[test]
    fn damaged_lists_never_panic_and_cutting_never_changes_the_outcome(
        items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let mut body = list(&items);
        for (at, byte) in damage {
            let at = at % body.len();
            body[at] = byte;
        }
        let whole = decode_list(&[&body]);
        let parts = decode_list(&cut(&body, &places));
        prop_assert_eq!(whole.is_ok(), parts.is_ok());
        if let (Ok(whole), Ok(parts)) = (whole, parts) {
            prop_assert_eq!(whole, parts);
        }
    }

    #[test]
    fn any_bytes_are_no_reason_to_panic(
        data in prop::collection::vec(any::<u8>(), 0..300),
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let chunks = cut(&data, &places);
        let _ = decode_list(&chunks);
        let _ = decode_watch(&chunks);
        let _ = decode_json(&chunks);
        let _ = Status::from_body(&data);
        let _ = JsonWatch::default().push(&data, |_, _| Ok::<_, WireError>(()));
    }

    #[test]
    fn anything_like_json_is_no_reason_to_panic(
        text in r#"[\{\}\[\]":,\\a0 \n]{0,60}"#,
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = decode_json(&[text.as_bytes()]);
        let parts = decode_json(&cut(text.as_bytes(), &places));
        prop_assert_eq!(whole.is_ok(), parts.is_ok());
        let _ = JsonWatch::default().push(text.as_bytes(), |_, _| Ok::<_, WireError>(()));
    }
}
