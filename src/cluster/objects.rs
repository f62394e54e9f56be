//! Objects from a file: what `kubectl get … -o json` (or `-o yaml`) saved, as a snapshot.
//!
//! What it is: the reader behind `--objects FILE`. It takes a `List`, a typed list (`ServiceList`, as `get --raw`
//! prints it), a single object, and any number of those one after the other; other kinds are passed over. What it is
//! not: a validator. Odd objects are taken as they are; only text that is neither JSON nor YAML is an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::de::DeserializeSeed;
use serde_json::Value;

use super::convert::Converter;
use crate::model::ClusterSnapshot;
use crate::model::time::Timestamp;

mod collect;
mod document;
#[cfg(test)]
mod tests;

use collect::Collector;
use document::{Documents, Source};

/// What a file held.
#[derive(Debug)]
pub struct Loaded {
    /// The objects, joined. A kind of which the file holds an object counts as complete (`Live`); one of which it
    /// holds none has no load entry: whether there are any is unknown.
    pub snapshot: ClusterSnapshot,
    /// The newest moment that the objects speak of: creations, starts and ends of containers, conditions, writes to
    /// Services. A saved cluster's "now" is not before it.
    pub newest: Option<Timestamp>,
    /// Entries that are no object, or have no name.
    pub skipped: usize,
    /// Objects of kinds that are not read.
    pub others: usize,
}

/// Why a file can't be used: one sentence that says which file, what and where.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// It can't be opened or read.
    #[error("cannot read {file}: {error}")]
    Read {
        /// The file.
        file: String,
        /// The system's words.
        error: io::Error,
    },
    /// It is broken JSON.
    #[error("{file} is broken JSON: {error}")]
    Json {
        /// The file.
        file: String,
        /// What and where (line and column).
        error: serde_json::Error,
    },
    /// It is broken YAML.
    #[error("{file} is broken YAML: {what}")]
    Yaml {
        /// The file.
        file: String,
        /// What and where (line and column).
        what: String,
    },
    /// It is well-formed, but there is no Kubernetes object in it.
    #[error("{file} holds no Kubernetes object of a kind that is read (Services, EndpointSlices, Pods, …)")]
    Empty {
        /// The file.
        file: String,
    },
}

/// Reads a file; `-` is the standard input.
pub fn load(path: &Path) -> Result<Loaded, ObjectsError> {
    let file = path.display().to_string();
    if file == "-" {
        return read(io::stdin().lock(), "standard input");
    }
    match File::open(path) {
        Ok(open) => read(open, &file),
        Err(error) => Err(ObjectsError::Read { file, error }),
    }
}

/// Reads objects from anywhere; `file` names it in errors.
pub fn read(reader: impl Read, file: &str) -> Result<Loaded, ObjectsError> {
    let mut reader: Source<'_> = BufReader::with_capacity(1 << 16, Box::new(reader));
    let failed = |error| ObjectsError::Read { file: file.to_owned(), error };
    let mut collector = Collector::default();
    if is_json(&mut reader).map_err(failed)? {
        read_json(reader, file, &mut collector)?;
    } else {
        read_yaml(reader, file, &mut collector)?;
    }
    collector.finish().ok_or_else(|| ObjectsError::Empty { file: file.to_owned() })
}

/// Steps over a byte order mark and blanks, and looks at what comes then.
fn is_json(reader: &mut impl BufRead) -> io::Result<bool> {
    if reader.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
        reader.consume(3);
    }
    loop {
        let buffer = reader.fill_buf()?;
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => return Ok(matches!(buffer[at], b'{' | b'[')),
            // An empty file is no JSON, and as YAML it is merely empty.
            None if buffer.is_empty() => return Ok(false),
            None => {
                let blanks = buffer.len();
                reader.consume(blanks);
            }
        }
    }
}

fn read_json(reader: Source<'_>, file: &str, collector: &mut Collector) -> Result<(), ObjectsError> {
    let failed = |error: serde_json::Error| {
        let file = file.to_owned();
        if error.is_io() {
            ObjectsError::Read { file, error: error.into() }
        } else {
            ObjectsError::Json { file, error }
        }
    };
    let mut json = serde_json::Deserializer::from_reader(reader);
    while let Err(error) = json.end() {
        if error.is_io() {
            return Err(failed(error));
        }
        Documents(&mut |slim| collector.take(slim)).deserialize(&mut json).map_err(failed)?;
    }
    Ok(())
}

fn read_yaml(mut reader: impl Read, file: &str, collector: &mut Collector) -> Result<(), ObjectsError> {
    let options = serde_saphyr::options! {
        // A saved cluster is large; what is left are the limits on aliases and depth, against YAML bombs.
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: None,
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_documents: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
        with_snippet: false,
    };
    for document in serde_saphyr::read_with_options::<_, Value>(&mut reader, options) {
        let document = document.map_err(|error| ObjectsError::Yaml {
            file: file.to_owned(),
            what: one_line(&error.to_string()),
        })?;
        document::of_tree(&document, |slim| collector.take(slim))
            .map_err(|error| ObjectsError::Json { file: file.to_owned(), error })?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
