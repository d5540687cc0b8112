//! A pull parser for XML nodes of limited size.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::damaged;
use crate::SheetError;

/// The maximum size of a node: a cell has at most 32,767 characters.
const NODE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A part being read.
pub(super) struct Xml<R: Read> {
    reader: Reader<BufReader<Bounded<R>>>,
    since: Rc<Cell<usize>>,
    buffer: Vec<u8>,
    /// An empty element is reported as a start and an end.
    ends: Option<String>,
}

/// A node of a part. Names have no prefix.
pub(super) enum Node {
    /// An element begins.
    Start {
        /// Its name.
        name: String,
        /// Its attributes.
        attributes: Attributes,
    },
    /// It ends.
    End {
        /// Its name.
        name: String,
    },
    /// Its text.
    Text(String),
}

/// The attributes of an element; names have no prefix.
#[derive(Default)]
pub(super) struct Attributes(Vec<(String, String)>);

impl Attributes {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a Boolean attribute is true.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| ["1", "true", "on"].contains(&value))
    }
}

impl<R: Read> Xml<R> {
    pub(super) fn new(part: R) -> Self {
        let since = Rc::new(Cell::new(0));
        let bounded = Bounded { inner: part, since: Rc::clone(&since) };
        Self { reader: Reader::from_reader(BufReader::new(bounded)), since, buffer: Vec::new(), ends: None }
    }

    /// The next node; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Node>, SheetError> {
        if let Some(name) = self.ends.take() {
            return Ok(Some(Node::End { name }));
        }
        loop {
            self.since.set(0);
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer).map_err(|_| damaged())?;
            match event {
                Event::Start(start) => return started(&start).map(Some),
                Event::Empty(start) => {
                    self.ends = Some(start.local_name().as_ref().to_owned());
                    return started(&start).map(Some);
                }
                Event::End(end) => {
                    return Ok(Some(Node::End { name: end.local_name().as_ref().to_owned() }));
                }
                Event::Text(text) => return Ok(Some(Node::Text(text.xml10_content().into_owned()))),
                Event::CData(text) => return Ok(Some(Node::Text(text.xml10_content().into_owned()))),
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|_| damaged())?;
                    let name = reference.xml10_content();
                    let text = match character {
                        Some(character) => character.to_string(),
                        None => quick_xml::escape::resolve_predefined_entity(&name)
                            .ok_or_else(damaged)?
                            .to_owned(),
                    };
                    return Ok(Some(Node::Text(text)));
                }
                Event::Eof => return Ok(None),
                // Document type declarations are rejected.
                Event::DocType(_) => return Err(damaged()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// The text of a started element up to its end; child elements are skipped.
    pub(super) fn text(&mut self) -> Result<String, SheetError> {
        let mut text = String::new();
        let mut depth = 0_u32;
        loop {
            match self.next()?.ok_or_else(damaged)? {
                Node::Start { .. } => depth += 1,
                Node::End { .. } if depth == 0 => return Ok(text),
                Node::End { .. } => depth -= 1,
                Node::Text(piece) if depth == 0 => {
                    text.push_str(&piece);
                    if text.len() > NODE_BYTES_MAX {
                        return Err(damaged());
                    }
                }
                Node::Text(_) => {}
            }
        }
    }

    /// Skips the rest of a started element without parsing it in detail.
    pub(super) fn skip(&mut self) -> Result<(), SheetError> {
        if self.ends.take().is_some() {
            return Ok(());
        }
        let mut depth = 0_u32;
        loop {
            self.since.set(0);
            self.buffer.clear();
            match self.reader.read_event_into(&mut self.buffer).map_err(|_| damaged())? {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => return Ok(()),
                Event::End(_) => depth -= 1,
                Event::Eof | Event::DocType(_) => return Err(damaged()),
                _ => {}
            }
        }
    }
}

fn started(start: &BytesStart<'_>) -> Result<Node, SheetError> {
    let mut attributes = Vec::new();
    // A duplicate attribute is an error, rather than an override.
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| damaged())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| damaged())?;
        attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(Node::Start { name: start.local_name().as_ref().to_owned(), attributes: Attributes(attributes) })
}

/// Limits the bytes of a node, until the parser reports a new one.
struct Bounded<R> {
    inner: R,
    since: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > NODE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.inner.read(buffer)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}
