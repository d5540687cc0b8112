//! The package: parts in a ZIP archive, and the relationships that locate them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::xml::{Node, Xml};
use super::{damaged, twice};
use crate::SheetError;

/// The maximum unpacked size of a workbook's parts: a small file can expand to any size (zip bomb).
const UNPACKED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// The maximum unpacked size of any part except a sheet, because it is held in memory.
const HELD_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// A workbook's file.
pub(super) struct Package {
    archive: ZipArchive<BufReader<File>>,
    /// Parts by normalised name; several parts of one name are duplicate definitions.
    parts: HashMap<String, Vec<usize>>,
}

/// A relationship of a part.
pub(super) struct Relationship {
    pub(super) id: String,
    /// The last segment of its type, such as `worksheet`: the transitional and the strict format have
    /// different prefixes.
    pub(super) kind: String,
    /// The part's name; `None` for a target outside the file.
    pub(super) part: Option<String>,
}

impl Package {
    pub(super) fn open(path: &Path) -> Result<Self, SheetError> {
        let file = File::open(path).map_err(|e| SheetError::io(&e))?;
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|_| no_workbook())?;
        let mut parts: HashMap<String, Vec<usize>> = HashMap::new();
        let mut unpacked = 0_u64;
        for n in 0..archive.len() {
            let part = archive.by_index_raw(n).map_err(|_| no_workbook())?;
            unpacked = unpacked.saturating_add(part.size());
            let name = normalized(&part.name().map_err(|_| no_workbook())?);
            parts.entry(name).or_default().push(n);
        }
        if unpacked > UNPACKED_BYTES_MAX {
            return Err(too_great());
        }
        Ok(Self { archive, parts })
    }

    /// The main part of the package.
    pub(super) fn main_part(&mut self) -> Result<String, SheetError> {
        let relationships = self.relationships("")?;
        let main = relationships.into_iter().find(|relationship| relationship.kind == "officeDocument");
        let part = main.and_then(|main| main.part).ok_or_else(no_workbook)?;
        if self.parts.contains_key(&part) { Ok(part) } else { Err(no_workbook()) }
    }

    /// The relationships of a part; those of the package if the name is empty.
    pub(super) fn relationships(&mut self, part: &str) -> Result<Vec<Relationship>, SheetError> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let file = if folder.is_empty() {
            format!("_rels/{name}.rels")
        } else {
            format!("{folder}/_rels/{name}.rels")
        };
        if !self.parts.contains_key(&file) {
            return if part.is_empty() { Err(no_workbook()) } else { Ok(Vec::new()) };
        }
        let mut xml = self.held_part(&file)?;
        let mut found: Vec<Relationship> = Vec::new();
        while let Some(node) = xml.next()? {
            let Node::Start { name, attributes, .. } = node else { continue };
            if name != "Relationship" {
                continue;
            }
            let of = |name: &str| attributes.get(name).unwrap_or_default().to_owned();
            let (id, kind, target) = (of("Id"), of("Type"), of("Target"));
            if found.iter().any(|known| known.id == id) {
                return Err(twice(&format!("Relationship {id}")));
            }
            let outside = of("TargetMode") == "External";
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            let part = (!outside).then(|| resolved(folder, &target));
            found.push(Relationship { id, kind, part });
        }
        Ok(found)
    }

    /// Reads a part that is held in memory.
    pub(super) fn held_part(&mut self, name: &str) -> Result<Xml<impl Read + '_>, SheetError> {
        let n = self.only(name)?;
        let part = self.archive.by_index(n).map_err(|_| damaged())?;
        if part.size() > HELD_BYTES_MAX {
            return Err(too_great());
        }
        Ok(Xml::new(part.take(HELD_BYTES_MAX)))
    }

    /// Streams a part of any length.
    pub(super) fn long_part(&mut self, name: &str) -> Result<Xml<Box<dyn Read + '_>>, SheetError> {
        let n = self.only(name)?;
        let part = self.archive.by_index(n).map_err(|_| damaged())?;
        Ok(Xml::new(Box::new(part.take(UNPACKED_BYTES_MAX))))
    }

    fn only(&self, name: &str) -> Result<usize, SheetError> {
        match self.parts.get(name).map(Vec::as_slice) {
            Some([n]) => Ok(*n),
            Some(_) => Err(twice(name)),
            None => Err(damaged()),
        }
    }
}

/// The canonical form for comparing part names: case-insensitive, with forward slashes, from the root.
fn normalized(name: &str) -> String {
    resolved("", &format!("/{name}"))
}

/// Resolves `target` relative to `folder`.
fn resolved(folder: &str, target: &str) -> String {
    let target = percent_encoding::percent_decode_str(target).decode_utf8_lossy().replace('\\', "/");
    let mut segments: Vec<&str> =
        if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for segment in target.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    segments.retain(|segment| !segment.is_empty());
    segments.join("/").to_lowercase()
}

fn no_workbook() -> SheetError {
    SheetError::new(
        "Excel 통합 문서(.xlsx)가 아닌 압축 파일이거나 손상되었습니다",
        "a ZIP that is no Excel workbook (.xlsx), or a damaged one",
    )
}

fn too_great() -> SheetError {
    SheetError::new(
        "압축을 풀면 너무 커지는 파일입니다. CSV로 저장해 주십시오",
        "unpacks to more than is taken; save it as CSV",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_however_their_paths_are_written() {
        for (folder, target, part) in [
            ("xl", "worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("xl", "./worksheets/../Sheet1.XML", "xl/sheet1.xml"),
            ("xl", "worksheets\\sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("a/b", "../c/%EC%9E%90%EB%A3%8C.xml", "a/c/자료.xml"),
            ("", "xl/workbook.xml", "xl/workbook.xml"),
            ("", "../../x.xml", "x.xml"),
        ] {
            assert_eq!(resolved(folder, target), part, "{folder} {target}");
        }
        assert_eq!(normalized("XL\\Workbook.xml"), "xl/workbook.xml");
    }
}
