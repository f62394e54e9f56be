//! Reading JSON (or YAML) without ever refusing a value: what cannot be meant is as good as absent.
//!
//! serde's derived readers stop at the first value of an unexpected type, and with it the whole object (in a list:
//! the whole list) is lost. Here each type says what it can make of a string, a number, a list or a map; everything
//! else is read to its end and dropped. Only broken syntax is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

/// A type that takes what it can from any JSON value. `None` means: this is no such value.
pub trait Loose: Default + Sized {
    /// From a string.
    fn from_text(_: &str) -> Option<Self> {
        None
    }

    /// From a number; one with a fraction, or beyond 64 bits, comes as text.
    fn from_number(_: i64) -> Option<Self> {
        None
    }

    /// From `true` or `false`.
    fn from_flag(_: bool) -> Option<Self> {
        None
    }

    /// From a list. Must read it to its end.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    /// From a map. Must read it to its end.
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// Reads one value; its default where it is none of its type.
pub fn read<'de, T: Loose, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Seed::<T>(PhantomData).deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the value of the map entry whose key has just been read.
pub fn value<'de, T: Loose, A: MapAccess<'de>>(map: &mut A) -> Result<T, A::Error> {
    Ok(map.next_value_seed(Seed::<T>(PhantomData))?.unwrap_or_default())
}

/// Reads a value of one type, or `None` for a value of another.
pub struct Seed<T>(PhantomData<T>);

impl<T> Default for Seed<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Loose> DeserializeSeed<'de> for Seed<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Loose> Visitor<'de> for Seed<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        Ok(T::from_text(text))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<T>, E> {
        Ok(T::from_number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<T>, E> {
        Ok(match i64::try_from(number) {
            Ok(number) => T::from_number(number),
            Err(_) => T::from_text(&number.to_string()),
        })
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<T>, E> {
        Ok(T::from_text(&number.to_string()))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Option<T>, E> {
        Ok(T::from_flag(flag))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Option<T>, A::Error> {
        T::from_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::from_map(map)
    }
}

/// Reads a key and says where it stands in a list of names, without keeping its text.
#[derive(Clone, Copy)]
pub struct Position(pub &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Position {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Position {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|name| *name == key))
    }
}

impl Loose for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn from_number(number: i64) -> Option<Self> {
        Some(number.to_string())
    }

    fn from_flag(flag: bool) -> Option<Self> {
        Some(flag.to_string())
    }
}

impl Loose for bool {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

impl Loose for i64 {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_number(number: i64) -> Option<Self> {
        Some(number)
    }
}

impl Loose for i32 {
    fn from_text(text: &str) -> Option<Self> {
        i64::from_text(text).and_then(Self::from_number)
    }

    /// A number beyond the type is shown as its end rather than as nothing.
    fn from_number(number: i64) -> Option<Self> {
        Some(number.try_into().unwrap_or(if number < 0 { Self::MIN } else { Self::MAX }))
    }
}

impl<T: Loose> Loose for Option<T> {
    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }

    fn from_number(number: i64) -> Option<Self> {
        T::from_number(number).map(Some)
    }

    fn from_flag(flag: bool) -> Option<Self> {
        T::from_flag(flag).map(Some)
    }

    fn from_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Option<Self>, A::Error> {
        Ok(T::from_list(list)?.map(Some))
    }

    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(T::from_map(map)?.map(Some))
    }
}

impl<T: Loose> Loose for Vec<T> {
    /// Entries of another type are left out.
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut entries = Self::new();
        while let Some(entry) = list.next_element_seed(Seed::<T>::default())? {
            entries.extend(entry);
        }
        Ok(Some(entries))
    }
}

impl<T: Loose> Loose for BTreeMap<String, T> {
    /// Entries of another type are left out; of duplicate keys the last one stays.
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut entries = Self::new();
        while let Some(key) = map.next_key_seed(Seed::<String>::default())? {
            let entry = map.next_value_seed(Seed::<T>::default())?;
            if let (Some(key), Some(entry)) = (key, entry) {
                entries.insert(key, entry);
            }
        }
        Ok(Some(entries))
    }
}

/// Bytes, which JSON writes in base64 (ConfigMap `binaryData`, Secret `data`).
impl Loose for Vec<u8> {
    fn from_text(text: &str) -> Option<Self> {
        use base64::Engine as _;
        let text: String = text.split_ascii_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(text).ok()
    }
}

/// Any value at all, for what has to be read twice.
#[derive(Default)]
pub struct Tree(pub serde_json::Value);

impl Loose for Tree {
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        let map = serde::de::value::MapAccessDeserializer::new(map);
        Ok(Some(Self(serde_json::Value::deserialize(map)?)))
    }
}
