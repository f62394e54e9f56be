//! Frames of any length in any pieces, and what a server may not send.

use super::*;
use proptest::prelude::*;

fn server(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let length = payload.len();
    match length {
        0..=125 => out.push(u8::try_from(length).unwrap()),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

/// The binary messages and the control frames among `bytes`, which arrive in pieces of these sizes.
fn read(bytes: &[u8], sizes: &[usize]) -> Result<(Vec<Vec<u8>>, Vec<Event>), Error> {
    let (mut decoder, mut messages, mut others) = (Decoder::new(), Vec::<Vec<u8>>::new(), Vec::new());
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let (now, later) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        let mut input = Bytes::copy_from_slice(now);
        while let Some(event) = decoder.next(&mut input)? {
            match event {
                Event::Piece { first: true, payload } => messages.push(payload.to_vec()),
                Event::Piece { payload, .. } => match messages.last_mut() {
                    Some(message) => message.extend_from_slice(&payload),
                    None => messages.push(payload.to_vec()),
                },
                other => others.push(other),
            }
        }
        assert!(input.is_empty());
        rest = later;
    }
    Ok((messages, others))
}

proptest! {
    #[test]
    fn messages_arrive_whole_however_they_are_cut(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..70_000), 1..4),
        cut in 0_usize..70_000,
        sizes in prop::collection::vec(1_usize..5000, 1..5),
    ) {
        let mut bytes = server(0x89, b"hi");
        for message in &messages {
            let (a, b) = message.split_at(cut.min(message.len()));
            bytes.extend(server(0x02, a));
            bytes.extend(server(0x8a, b""));
            bytes.extend(server(0x80, b));
        }
        bytes.extend(server(0x81, b"text is passed over"));
        bytes.extend(server(0x88, b"\x03\xe8bye"));
        let (read, others) = read(&bytes, &sizes).unwrap();
        prop_assert_eq!(read, messages);
        prop_assert_eq!(&others[0], &Event::Ping(b"hi".to_vec()));
        prop_assert_eq!(others.last().unwrap(), &Event::Close("bye".to_owned()));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000), size in 1_usize..50) {
        let _ = read(&bytes, &[size]);
    }

    #[test]
    fn a_clients_frame_is_what_the_standard_says(payload in prop::collection::vec(any::<u8>(), 0..70_000), key: [u8; 4]) {
        let mut room = [0; LONGEST_HEAD];
        let start = head(Opcode::Binary, payload.len(), key, &mut room);
        let mut masked = payload.clone();
        mask(key, &mut masked);
        for (at, byte) in masked.iter().enumerate() {
            prop_assert_eq!(*byte, payload[at] ^ key[at % 4]);
        }
        // What a server says with the same payload, plus the mask.
        let mut expected = server(0x82, &payload);
        expected.truncate(expected.len() - payload.len());
        expected[1] |= 0x80;
        expected.extend_from_slice(&key);
        prop_assert_eq!(&room[start..], &expected[..]);
    }
}

#[test]
fn what_a_server_may_not_send() {
    let error = |bytes: &[u8]| read(bytes, &[1]).unwrap_err();
    assert_eq!(error(&[0x82, 0x81, 1, 2, 3, 4, 5]), Error::Masked);
    assert_eq!(error(&[0xc2, 0]), Error::Unknown(0xc2));
    assert_eq!(error(&[0x83, 0]), Error::Unknown(0x83));
    assert_eq!(error(&[0x09, 0]), Error::Control);
    assert_eq!(error(&[0x89, 126, 0, 200]), Error::Control);
}
