use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn decode_all(bytes: &[u8], limits: Limits) -> (Vec<Frame>, Option<Error>) {
    decode_pieces([bytes.to_vec()], limits)
}

fn decode_pieces(pieces: impl IntoIterator<Item = Vec<u8>>, limits: Limits) -> (Vec<Frame>, Option<Error>) {
    let (mut decoder, mut frames) = (Decoder::new(limits), Vec::new());
    for piece in pieces {
        decoder.push(piece.into());
        loop {
            match decoder.frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn one(bytes: &[u8]) -> Result<Frame, Error> {
    match decode_all(bytes, Limits::default()) {
        (_, Some(error)) => Err(error),
        (mut frames, None) => Ok(frames.remove(0)),
    }
}

fn encoded(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new().encode(frame, &mut out).unwrap();
    out
}

/// Fixed frames, byte by byte after the drawings of the specification.
#[test]
fn layouts() {
    for (bytes, frame) in [
        (&[0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 9][..], Frame::Ping { id: 9 }),
        (&[0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 1], Frame::RstStream { id: 5, status: 1 }),
        (&[0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 0], Frame::GoAway { last: 7, status: 0 }),
        (&[0x80, 3, 0, 9, 0, 0, 0, 8, 0, 0, 0, 1, 0, 1, 0, 0], Frame::WindowUpdate { id: 1, delta: 65_536 }),
        (
            &[0x80, 3, 0, 4, 1, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, 7, 0, 1, 0, 0],
            Frame::Settings { clear: true, entries: vec![Setting { flags: 1, id: 7, value: 65_536 }] },
        ),
        (
            &[0, 0, 0, 3, 1, 0, 0, 2, b'h', b'i'],
            Frame::Data { id: 3, fin: true, payload: Bytes::from_static(b"hi") },
        ),
        (&[0, 0, 0, 3, 0, 0, 0, 0], Frame::Data { id: 3, fin: false, payload: Bytes::new() }),
    ] {
        assert_eq!(one(bytes), Ok(frame.clone()));
        assert_eq!(encoded(&frame), bytes);
    }
}

#[test]
fn the_fixed_part_of_a_syn_stream() {
    let frame = Frame::SynStream {
        id: 1,
        associated: 2,
        priority: 5,
        fin: true,
        unidirectional: true,
        headers: Headers::new().with("streamType", "error"),
    };
    let bytes = encoded(&frame);
    assert_eq!(bytes[..5], [0x80, 3, 0, 1, 3]);
    assert_eq!(bytes[8..18], [0, 0, 0, 1, 0, 0, 0, 2, 5 << 5, 0]);
    assert_eq!(bytes[20..24], [0xe3, 0xc6, 0xa7, 0xc2], "zlib's header names the dictionary");
    assert_eq!(one(&bytes), Ok(frame));
}

/// A block compressed by zlib 1.3 (level 6, with the dictionary, sync flush), not by this program.
#[test]
fn a_block_of_another_compressor() {
    let block: [u8; 46] = [
        0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0x25, 0x3a, 0x70, 0x3a, 0x2b, 0x29, 0x4a, 0x4d, 0xcc, 0x45,
        0x2a, 0x4a, 0x12, 0x21, 0xa5, 0x72, 0x11, 0x28, 0x05, 0x33, 0x59, 0x18, 0x00, 0x49, 0xce, 0x22, 0x48,
        0x1c, 0x66, 0x82, 0xd2, 0x36, 0xa3, 0x01, 0x00, 0x00, 0x00, 0xff, 0xff,
    ];
    let mut bytes = vec![0x80, 3, 0, 2, 0, 0, 0, u8::try_from(block.len() + 4).unwrap(), 0, 0, 0, 1];
    bytes.extend_from_slice(&block);
    let Ok(Frame::SynReply { headers, .. }) = one(&bytes) else { panic!() };
    let all: Vec<_> = headers.iter().collect();
    let expected: [(&[u8], &[u8]); 3] = [(b"streamtype", b"data"), (b"port", b"80"), (b"requestid", b"0")];
    assert_eq!(all, expected);
}

#[test]
fn compression_goes_on_over_frames() {
    let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
    let headers = Headers::new().with("port", "8080").with("requestid", "17");
    let mut ends = vec![0];
    for id in [1, 3, 5] {
        encoder.encode(&Frame::SynReply { id, fin: false, headers: headers.clone() }, &mut bytes).unwrap();
        ends.push(bytes.len());
    }
    assert!(ends[2] - ends[1] < ends[1], "the second block refers to the first");
    let (frames, error) = decode_all(&bytes, Limits::default());
    assert_eq!(error, None);
    for (frame, id) in frames.iter().zip([1, 3, 5]) {
        assert_eq!(*frame, Frame::SynReply { id, fin: false, headers: headers.clone() });
    }
}

#[test]
fn unknown_kinds_are_passed_over() {
    let mut bytes = vec![0x80, 3, 0, 10, 0, 0x10, 0, 0];
    bytes.extend(vec![0xff; 0x10_0000]);
    bytes.extend([0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]);
    let pieces: Vec<Vec<u8>> = bytes.chunks(1000).map(<[u8]>::to_vec).collect();
    assert_eq!(decode_pieces(pieces, Limits::default()), (vec![Frame::Ping { id: 1 }], None));
}

#[test]
fn wrong_frames_are_errors() {
    for (bytes, error) in [
        (&[0x80, 2, 0, 6, 0, 0, 0, 4][..], Error::Version(2)),
        (&[0x80, 3, 0, 6, 0, 0, 0, 3, 0, 0, 0], Error::Length { kind: 6, length: 3 }),
        (&[0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1], Error::StreamZero(3)),
        (&[0, 0, 0, 0, 0, 0, 0, 0], Error::StreamZero(0)),
        (&[0x80, 3, 0, 4, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff], Error::Length { kind: 4, length: 4 }),
        (&[0x80, 3, 0, 1, 0, 0, 0, 2, 0, 0], Error::Length { kind: 1, length: 2 }),
        (&[0x80, 3, 0, 2, 0, 0, 0, 6, 0, 0, 0, 1, 0xff, 0xff], Error::Compression),
        (&[0x80, 3, 0, 2, 0, 0xff, 0xff, 0xff], Error::Length { kind: 2, length: LONGEST }),
        (&[0, 0, 0, 1, 0, 0xff, 0xff, 0xff], Error::Length { kind: 0, length: LONGEST }),
    ] {
        assert_eq!(one(bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let headers = Headers::new().with("a", vec![b'x'; 200_000]);
    let bytes = encoded(&Frame::SynReply { id: 1, fin: false, headers });
    assert!(bytes.len() < 2000);
    assert_eq!(one(&bytes), Err(Error::HeadersTooLarge(Limits::default().headers)));
}

#[test]
fn names_that_may_not_be_are_refused() {
    let reply = |headers: Headers| one(&encoded(&Frame::SynReply { id: 1, fin: false, headers }));
    assert_eq!(reply(Headers::new().with("", "x")), Err(Error::HeaderBlock));
    assert_eq!(reply(Headers::new().with("a", "x").with("a", "y")), Err(Error::HeaderBlock));
    assert!(reply(Headers::new()).is_ok());
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::default();
    decoder.push(Bytes::from_static(&[0x80, 9, 0, 0, 0, 0, 0, 0]));
    assert_eq!(decoder.frame(), Err(Error::Version(9)));
    decoder.push(Bytes::from_static(&[0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 9]));
    assert_eq!(decoder.frame(), Err(Error::Version(9)));
}

fn some_headers() -> impl Strategy<Value = Headers> {
    vec((vec(b'a'..=b'z', 1..9), vec(any::<u8>(), 0..3000)), 0..4).prop_map(|mut pairs| {
        pairs.sort();
        pairs.dedup_by(|one, two| one.0 == two.0);
        let mut headers = Headers::new();
        for (name, value) in pairs {
            headers.push(std::str::from_utf8(&name).unwrap(), value);
        }
        headers
    })
}

fn some_frame() -> impl Strategy<Value = Frame> {
    let id = 1..0x8000_0000_u32;
    prop_oneof![
        (id.clone(), 0..9_u32, 0..8_u8, any::<bool>(), any::<bool>(), some_headers()).prop_map(
            |(id, associated, priority, fin, unidirectional, headers)| Frame::SynStream {
                id,
                associated,
                priority,
                fin,
                unidirectional,
                headers
            }
        ),
        (id.clone(), any::<bool>(), some_headers()).prop_map(|(id, fin, headers)| Frame::SynReply {
            id,
            fin,
            headers
        }),
        (id.clone(), any::<bool>(), some_headers()).prop_map(|(id, fin, headers)| Frame::Headers {
            id,
            fin,
            headers
        }),
        (id.clone(), any::<u32>()).prop_map(|(id, status)| Frame::RstStream { id, status }),
        any::<u32>().prop_map(|id| Frame::Ping { id }),
        (id.clone(), id.clone()).prop_map(|(id, delta)| Frame::WindowUpdate { id, delta }),
        (any::<bool>(), vec((any::<u8>(), 0..0x0100_0000_u32, any::<u32>()), 0..5)).prop_map(
            |(clear, entries)| {
                let entries =
                    entries.into_iter().map(|(flags, id, value)| Setting { flags, id, value }).collect();
                Frame::Settings { clear, entries }
            }
        ),
        (id, any::<bool>(), vec(any::<u8>(), 0..300)).prop_map(|(id, fin, payload)| Frame::Data {
            id,
            fin,
            payload: payload.into()
        }),
    ]
}

/// Cuts bytes into pieces of these sizes, over and over.
fn cut(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let (mut rest, mut pieces) = (bytes, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

proptest! {
    #[test]
    fn what_is_written_is_read(frames in vec(some_frame(), 0..12), sizes in vec(1..40_usize, 1..5)) {
        let (mut encoder, mut bytes) = (Encoder::new(), Vec::new());
        for frame in &frames {
            encoder.encode(frame, &mut bytes).unwrap();
        }
        prop_assert_eq!(decode_pieces(cut(&bytes, &sizes), Limits::default()), (frames, None));
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same(
        mut bytes in vec(any::<u8>(), 0..400),
        kind in 0..11_u8,
        sizes in vec(1..40_usize, 1..5),
    ) {
        if bytes.len() > 8 {
            // Most bytes at random end at the version; so let these get further.
            bytes[..6].copy_from_slice(&[0x80, 3, 0, kind, 0, 0]);
            bytes[6] = 0;
        }
        let limits = Limits { data: 300, control: 300, headers: 4000 };
        prop_assert_eq!(decode_pieces(cut(&bytes, &sizes), limits), decode_all(&bytes, limits));
    }

    #[test]
    fn broken_header_blocks_never_panic(frame in some_frame(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = encoded(&frame);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let _ = decode_all(&bytes, Limits::default());
    }
}
