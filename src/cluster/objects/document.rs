//! The shape of a saved file: documents, lists, and each object's kind before its contents.
//!
//! An object is read straight into its slim type when its `apiVersion` and `kind` come first, as every program
//! writes them. Where they don't, its parts are kept as a tree until the kind is known. YAML is a tree at first.

use std::fmt;
use std::io::{BufReader, Read};

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::de::IoRead;
use serde_json::{Map, Value};

use crate::cluster::slim::{self, loose};
use crate::model::Kind;

/// One thing found in a file.
pub(super) enum Slim {
    Service(Box<slim::Service>),
    Slice(slim::EndpointSlice),
    Pod(Box<slim::Pod>),
    Namespace(slim::Namespace),
    ConfigMap(slim::ConfigMap),
    Secret(slim::Secret),
    Node(slim::Node),
    Policy(slim::NetworkPolicy),
    /// An object of a kind that is not read.
    Other,
    /// No object at all.
    Nothing,
}

impl Slim {
    fn read<'de, D: Deserializer<'de>>(kind: Kind, from: D) -> Result<Self, D::Error> {
        Ok(match kind {
            Kind::Service => Self::Service(Box::new(loose::read(from)?)),
            Kind::EndpointSlice => Self::Slice(loose::read(from)?),
            Kind::Pod => Self::Pod(Box::new(loose::read(from)?)),
            Kind::Namespace => Self::Namespace(loose::read(from)?),
            Kind::ConfigMap => Self::ConfigMap(loose::read(from)?),
            Kind::Secret => Self::Secret(loose::read(from)?),
            Kind::Node => Self::Node(loose::read(from)?),
            Kind::NetworkPolicy => Self::Policy(loose::read(from)?),
        })
    }
}

/// Where found things go.
type Sink<'a> = &'a mut dyn FnMut(Slim);

/// The one kind of reader that objects are read from: for each other one the compiler would make all of
/// [`crate::cluster::slim`] again, half a megabyte.
pub(super) type Source<'a> = BufReader<Box<dyn Read + 'a>>;

fn source(json: &[u8]) -> serde_json::Deserializer<IoRead<Source<'_>>> {
    serde_json::Deserializer::from_reader(BufReader::with_capacity(json.len().min(1 << 16), Box::new(json)))
}

/// Reads a document that is there as a tree (as YAML is).
pub(super) fn of_tree(tree: &Value, mut sink: impl FnMut(Slim)) -> serde_json::Result<()> {
    Documents(&mut sink).deserialize(&mut source(&serde_json::to_vec(tree)?))
}

/// Reads a document: an object, a list object, or a bare list of either.
pub(super) struct Documents<'a>(pub(super) Sink<'a>);

impl<'de> DeserializeSeed<'de> for Documents<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let mut kindless = Vec::new();
        Reader { sink: self.0, kindless: &mut kindless, place: Place::Top }.deserialize(deserializer)
    }
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the top: an object, a list object, or a bare list.
    Top,
    /// `items` of a list object that may say of which kind they are.
    Items(Option<Kind>),
    /// An entry of such a list.
    Entry(Option<Kind>),
}

/// Reads one value at its place.
struct Reader<'a> {
    sink: Sink<'a>,
    /// Entries without a kind of their own, kept until their list's kind is known.
    kindless: &'a mut Vec<Map<String, Value>>,
    place: Place,
}

impl Reader<'_> {
    /// A reader for something inside.
    fn at(&mut self, place: Place) -> Reader<'_> {
        Reader { sink: self.sink, kindless: self.kindless, place }
    }

    /// What the parts of an object are, now that all are known.
    fn kept<E: Error>(mut self, head: &Head, rest: Map<String, Value>) -> Result<(), E> {
        match head.meaning() {
            Meaning::Object(kind) => self.tree(kind, &rest),
            Meaning::Other => {
                (self.sink)(Slim::Other);
                Ok(())
            }
            Meaning::List(Some(kind)) => {
                std::mem::take(self.kindless).iter().try_for_each(|entry| self.tree(kind, entry))
            }
            Meaning::List(None) => {
                self.kindless.drain(..).for_each(|_| (self.sink)(Slim::Nothing));
                Ok(())
            }
            Meaning::Unknown if self.place == Place::Entry(None) && !rest.is_empty() => {
                self.kindless.push(rest);
                Ok(())
            }
            Meaning::Unknown => {
                self.nothing();
                Ok(())
            }
        }
    }

    fn tree<E: Error>(&mut self, kind: Kind, tree: &Map<String, Value>) -> Result<(), E> {
        let json = serde_json::to_vec(tree).map_err(E::custom)?;
        (self.sink)(Slim::read(kind, &mut source(&json)).map_err(E::custom)?);
        Ok(())
    }

    fn nothing(self) {
        (self.sink)(Slim::Nothing);
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kubernetes objects")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut head = Head::default();
        if let Place::Entry(kind) = self.place {
            head.entry_of = kind;
        }
        let mut rest = Map::new();
        loop {
            if let Meaning::Object(kind) = head.meaning()
                && head.complete()
                && rest.is_empty()
            {
                let slim = Slim::read(kind, MapAccessDeserializer::new(map))?;
                (self.sink)(slim);
                return Ok(());
            }
            let Some(key) = map.next_key::<String>()? else { break };
            match key.as_str() {
                "apiVersion" => head.version = loose::value(&mut map)?,
                "kind" => head.kind = loose::value(&mut map)?,
                "items" if self.place == Place::Top => {
                    let kind = match head.meaning() {
                        Meaning::List(kind) => kind,
                        _ => None,
                    };
                    map.next_value_seed(self.at(Place::Items(kind)))?;
                    head.has_items = true;
                }
                _ if head.complete() && head.meaning() == Meaning::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    rest.insert(key, map.next_value()?);
                }
            }
        }
        self.kept(&head, rest)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let place = match self.place {
            Place::Top => Place::Top,
            Place::Items(kind) => Place::Entry(kind),
            Place::Entry(_) => {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                self.nothing();
                return Ok(());
            }
        };
        while list.next_element_seed(self.at(place))?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.nothing();
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.nothing();
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.nothing();
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.nothing();
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.nothing();
        Ok(())
    }

    /// `items: null` is how Go writes an empty list.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if !matches!(self.place, Place::Items(_)) {
            self.nothing();
        }
        Ok(())
    }
}

/// `apiVersion` and `kind`, as far as they have been read.
#[derive(Default)]
struct Head {
    version: Option<String>,
    kind: Option<String>,
    has_items: bool,
    /// What the list around says its entries are.
    entry_of: Option<Kind>,
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Of a kind that is read.
    Object(Kind),
    /// A list, perhaps of one kind.
    List(Option<Kind>),
    /// Of a kind that is not read.
    Other,
    /// It does not say.
    Unknown,
}

impl Head {
    /// Whether nothing more is to come.
    fn complete(&self) -> bool {
        self.entry_of.is_some() || (self.version.is_some() && self.kind.is_some())
    }

    fn meaning(&self) -> Meaning {
        let Some(name) = &self.kind else {
            return match self.entry_of {
                Some(kind) => Meaning::Object(kind),
                None if self.has_items => Meaning::List(None),
                None => Meaning::Unknown,
            };
        };
        // Not "v1" alone: other groups have a Service too (`serving.knative.dev`).
        let group =
            self.version.as_deref().unwrap_or_default().split_once('/').map_or("", |(group, _)| group);
        let known = |name: &str| KINDS.into_iter().find(|kind| kind.name() == name && kind.group() == group);
        match (known(name), name.strip_suffix("List")) {
            (Some(kind), _) => Meaning::Object(kind),
            (None, Some(entries)) => Meaning::List(known(entries)),
            (None, None) => Meaning::Other,
        }
    }
}

const KINDS: [Kind; 8] = [
    Kind::Namespace,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::Pod,
    Kind::ConfigMap,
    Kind::Secret,
    Kind::Node,
    Kind::NetworkPolicy,
];
