//! Detects the encoding of a text file: UTF-8, UTF-16 by its byte order mark, or CP949 as Korean Excel writes
//! it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use encoding_rs::{EUC_KR, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use crate::SheetError;

/// How much of the file is searched for column names.
const HEAD_BYTES: usize = 64 * 1024;
const HEAD_LINES: usize = 20;
/// After this many invalid sequences and hardly any UTF-8 syllables, the file is not UTF-8, and the scan
/// stops.
const BAD_ENOUGH: u64 = 10_000;

/// The encoding of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8 without a mark.
    Utf8,
    /// UTF-8 with a byte order mark, which Excel needs.
    Utf8Marked,
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
    /// CP949, a superset of EUC-KR.
    Cp949,
}

impl TextEncoding {
    /// Its common name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8Marked => "UTF-8 (BOM)",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Cp949 => "CP949",
        }
    }

    /// The encoding of this name: utf-8, cp949, utf-16.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.trim().to_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "cp949" | "ms949" | "windows-949" | "euc-kr" | "euckr" => Some(Self::Cp949),
            "utf-16" | "utf-16le" | "utf16" => Some(Self::Utf16Le),
            "utf-16be" => Some(Self::Utf16Be),
            _ => None,
        }
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 | Self::Utf8Marked => UTF_8,
            Self::Utf16Le => UTF_16LE,
            Self::Utf16Be => UTF_16BE,
            // The web platform's EUC-KR is CP949.
            Self::Cp949 => EUC_KR,
        }
    }

    /// Decodes a file to UTF-8, without the byte order mark.
    pub(crate) fn reader(self, file: File) -> DecodeReaderBytes<File, Vec<u8>> {
        DecodeReaderBytesBuilder::new().encoding(Some(self.encoding())).strip_bom(true).build(file)
    }

    /// The byte order mark of a written file.
    pub(crate) fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8 | Self::Cp949 => b"",
            // UTF-16 input is written as UTF-8 with a byte order mark, which every program opens too.
            Self::Utf8Marked | Self::Utf16Le | Self::Utf16Be => b"\xef\xbb\xbf",
        }
    }

    /// Encodes text for a written file. Characters that CP949 lacks become question marks.
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        if self != Self::Cp949 {
            return text.as_bytes().to_vec();
        }
        let (bytes, _, unmappable) = EUC_KR.encode(text);
        if !unmappable {
            return bytes.into_owned();
        }
        let mut bytes = Vec::with_capacity(text.len());
        for character in text.chars() {
            let mut buffer = [0; 4];
            let (encoded, _, unmappable) = EUC_KR.encode(character.encode_utf8(&mut buffer));
            if unmappable { bytes.push(b'?') } else { bytes.extend_from_slice(&encoded) }
        }
        bytes
    }
}

/// Scans a whole file. If the bytes are valid in two encodings, the one counts whose Hangul makes sense:
/// known column names, or no other non-ASCII characters. If that is inconclusive, detection fails.
pub(crate) fn detect(path: &Path, is_known: &dyn Fn(&str) -> bool) -> Result<TextEncoding, SheetError> {
    let open = || File::open(path).map_err(|e| SheetError::io(&e));
    let mut head = Vec::with_capacity(4);
    open()?.take(4).read_to_end(&mut head).map_err(|e| SheetError::io(&e))?;
    let marked = match head.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => Some(TextEncoding::Utf8Marked),
        [0xff, 0xfe, ..] => Some(TextEncoding::Utf16Le),
        [0xfe, 0xff, ..] => Some(TextEncoding::Utf16Be),
        _ => None,
    };
    let look = |file: File| Look::at(file).map_err(|e| SheetError::io(&e));
    match marked {
        Some(TextEncoding::Utf8Marked) | None => {
            let look = look(open()?)?;
            if look.has_zero {
                return Err(no_text());
            }
            let Some(line) = look.first_bad_line else {
                return match marked {
                    Some(marked) => Ok(marked),
                    None if look.is_ascii => Ok(TextEncoding::Utf8),
                    None => decide(path, is_known),
                };
            };
            // A Korean syllable in UTF-8 has three bytes, a pattern that is very rare in CP949. If there are
            // more of them than invalid sequences, the file is damaged UTF-8.
            if marked.is_some() || look.triples > look.bad {
                return Err(SheetError::made(
                    format!(
                        "{line}번째 줄에 UTF-8로 읽을 수 없는 글자가 있습니다. 파일이 손상되었거나 인코딩이 섞여 있습니다"
                    ),
                    format!("line {line} is not valid UTF-8: the file is damaged or mixes encodings"),
                ));
            }
            check(path, TextEncoding::Cp949).map(|()| TextEncoding::Cp949)
        }
        Some(utf16) => check(path, utf16).map(|()| utf16),
    }
}

fn no_text() -> SheetError {
    SheetError::new(
        "텍스트 파일이 아닙니다. CSV, XLSX, JSON Lines 가운데 하나여야 합니다",
        "not a text file: must be CSV, XLSX or JSON Lines",
    )
}

/// For valid UTF-8 bytes: decides whether they are UTF-8.
fn decide(path: &Path, is_known: &dyn Fn(&str) -> bool) -> Result<TextEncoding, SheetError> {
    let Some(as_cp949) = Signs::of_file(path, TextEncoding::Cp949, is_known)? else {
        return Ok(TextEncoding::Utf8);
    };
    let as_utf8 = Signs::of_file(path, TextEncoding::Utf8, is_known)?.unwrap_or_default();
    match as_utf8.against(as_cp949) {
        Some(true) => Ok(TextEncoding::Utf8),
        Some(false) => Ok(TextEncoding::Cp949),
        None => Err(SheetError::new(
            "UTF-8로도 CP949로도 읽히는 파일이라 인코딩을 확실히 알 수 없습니다. --encoding utf-8 또는 \
             --encoding cp949로 정해 주십시오",
            "can be read both as UTF-8 and as CP949, so its encoding is not certain; give --encoding utf-8 or \
             --encoding cp949",
        )),
    }
}

/// The evidence for an encoding, from the decoded text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Signs {
    /// Known non-ASCII column names.
    known_names: usize,
    /// Hangul syllables.
    hangul: u64,
    /// Characters that are neither Hangul nor ASCII.
    other: u64,
}

impl Signs {
    /// The evidence of a whole file; `None` if it is not valid in the encoding.
    fn of_file(
        path: &Path,
        encoding: TextEncoding,
        is_known: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Self>, SheetError> {
        let mut signs = Self::default();
        let mut head = String::new();
        let file = File::open(path).map_err(|e| SheetError::io(&e))?;
        let sound = decode(file, encoding, &mut |text| {
            let mut before = ' ';
            for c in text.chars() {
                // Within a Latin word a syllable is implausible: it is an accented letter there.
                let is_hangul = ('가'..='힣').contains(&c) && !before.is_ascii_alphabetic();
                signs.hangul += u64::from(is_hangul);
                signs.other += u64::from(!is_hangul && !c.is_ascii());
                before = c;
            }
            if head.len() < HEAD_BYTES {
                head.push_str(text);
            }
        });
        if sound.map_err(|e| SheetError::io(&e))?.is_err() {
            return Ok(None);
        }
        let names = head.lines().take(HEAD_LINES).flat_map(|line| line.split([',', '\t', ';', '|']));
        let names = names.map(|name| name.trim().trim_matches('"'));
        signs.known_names = names.filter(|name| !name.is_ascii() && is_known(name)).count();
        Ok(Some(signs))
    }

    /// Whether this evidence wins against `other`; `None` if inconclusive.
    fn against(self, other: Self) -> Option<bool> {
        match (self.known_names > 0, other.known_names > 0) {
            (true, false) => return Some(true),
            (false, true) => return Some(false),
            _ => {}
        }
        let is_korean = |signs: Self| signs.hangul > 0 && signs.hangul >= signs.other * 10;
        match (is_korean(self), is_korean(other)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// Statistics of a file as UTF-8, as far as it was scanned.
#[derive(Default)]
struct Look {
    first_bad_line: Option<u64>,
    bad: u64,
    triples: u64,
    has_zero: bool,
    is_ascii: bool,
}

impl Look {
    fn at(mut file: File) -> io::Result<Self> {
        let mut look = Self { is_ascii: true, ..Self::default() };
        let (mut buffer, mut filled, mut line) = (vec![0; 64 * 1024], 0, 1);
        loop {
            let read = file.read(&mut buffer[filled..])?;
            filled += read;
            let mut rest = &buffer[..filled];
            loop {
                let (sound, broken) = match std::str::from_utf8(rest) {
                    Ok(text) => (text, None),
                    Err(error) => {
                        let (sound, after) = rest.split_at(error.valid_up_to());
                        // An incomplete sequence at the end is examined with the next chunk.
                        let broken = error.error_len().or((read == 0).then_some(after.len()));
                        (std::str::from_utf8(sound).unwrap_or_default(), Some(broken))
                    }
                };
                look.has_zero |= sound.contains('\0');
                look.is_ascii &= sound.is_ascii();
                look.triples += sound.bytes().filter(|b| (0xe0..=0xef).contains(b)).count() as u64;
                line += sound.bytes().filter(|b| *b == b'\n').count() as u64;
                rest = &rest[sound.len()..];
                match broken {
                    Some(Some(length)) => {
                        look.first_bad_line.get_or_insert(line);
                        look.bad += 1;
                        rest = &rest[length.max(1).min(rest.len())..];
                    }
                    _ => break,
                }
            }
            if look.bad > BAD_ENOUGH && look.triples < look.bad / 10 {
                return Ok(look);
            }
            let kept = rest.len();
            let from = filled - kept;
            buffer.copy_within(from..filled, 0);
            filled = kept;
            if read == 0 {
                return Ok(look);
            }
        }
    }
}

/// Checks that a whole file is valid in an encoding.
pub(crate) fn check(path: &Path, encoding: TextEncoding) -> Result<(), SheetError> {
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    let mut has_zero = false;
    let sound = decode(file, encoding, &mut |text| has_zero |= text.contains('\0'));
    let sound = sound.map_err(|e| SheetError::io(&e))?;
    if has_zero {
        return Err(no_text());
    }
    sound.map_err(|line| {
        let name = encoding.name();
        SheetError::made(
            format!(
                "{line}번째 줄을 {name}로 읽을 수 없습니다. 파일을 'CSV UTF-8(쉼표로 분리)'로 다시 저장해 주십시오"
            ),
            format!("line {line} is not valid {name}; save the file as CSV UTF-8"),
        )
    })
}

/// Decodes a whole file in chunks; returns the line of a decoding error.
fn decode(mut file: File, encoding: TextEncoding, each: &mut dyn FnMut(&str)) -> io::Result<Result<(), u64>> {
    let mut decoder = encoding.encoding().new_decoder_with_bom_removal();
    let (mut buffer, mut line) = (vec![0; 64 * 1024], 1_u64);
    let mut text = String::with_capacity(256 * 1024);
    loop {
        let read = file.read(&mut buffer)?;
        let mut rest = &buffer[..read];
        loop {
            text.clear();
            let (result, taken) = decoder.decode_to_string_without_replacement(rest, &mut text, read == 0);
            rest = &rest[taken..];
            line += text.bytes().filter(|b| *b == b'\n').count() as u64;
            each(&text);
            match result {
                encoding_rs::DecoderResult::InputEmpty => break,
                encoding_rs::DecoderResult::OutputFull => {}
                encoding_rs::DecoderResult::Malformed(..) => return Ok(Err(line)),
            }
        }
        if read == 0 {
            return Ok(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(bytes: &[u8]) -> Result<TextEncoding, SheetError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.csv");
        std::fs::write(&path, bytes).expect("written");
        detect(&path, &|name| crate::Member::of_column(name).is_some())
    }

    fn cp949(text: &str) -> Vec<u8> {
        EUC_KR.encode(text).0.into_owned()
    }

    #[test]
    fn encodings_are_told_apart() {
        let text = "전화번호,이름\n01000000001,똠방각하\n".repeat(5_000);
        assert_eq!(detected(text.as_bytes()), Ok(TextEncoding::Utf8));
        assert_eq!(detected(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), Ok(TextEncoding::Utf8Marked));
        assert_eq!(detected(&cp949(&text)), Ok(TextEncoding::Cp949));
        let utf16: Vec<u8> = "\u{feff}전화번호\t이름\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(detected(&utf16), Ok(TextEncoding::Utf16Le));
    }

    #[test]
    fn damage_is_told_by_its_line_and_never_guessed_at() {
        let text = "전화번호,이름\n01000000001,서함시험\n".repeat(100);
        let mut broken = text.clone().into_bytes();
        let second_line = text.find('\n').expect("there") + 14;
        broken[second_line] = 0xff;
        let error = detected(&broken).expect_err("damaged UTF-8 is not CP949");
        assert!(error.to_string().contains("line 2"), "{error}");
        let mut broken = cp949(&text);
        broken.extend_from_slice(&[b'\n', 0xc8, 0x20, 0xff, 0xff]);
        let error = detected(&broken).expect_err("damaged CP949");
        assert!(error.to_string().contains("line 20"), "{error}");
        let late = [cp949(&text.repeat(100)), b"a,b\0c".to_vec()].concat();
        for binary in [b"a,b\0c".to_vec(), late] {
            assert!(detected(&binary).expect_err("binary").to_string().contains("not a text file"));
        }
    }

    #[test]
    fn bytes_that_two_encodings_read_are_those_in_which_they_are_korean() {
        // CP949 syllables whose bytes are also valid UTF-8, for Latin and Greek letters.
        let both = |text: &str| {
            let bytes = cp949(text);
            assert!(std::str::from_utf8(&bytes).is_ok(), "{text}: also UTF-8");
            bytes
        };
        assert_eq!(detected(&both("phone,name\n01000000001,천치\n")), Ok(TextEncoding::Cp949));
        assert_eq!(detected(&both("phone,name\n01000000001,호치 a\n").repeat(9)), Ok(TextEncoding::Cp949));
        assert_eq!(detected("phone,이름\n01000000001,é\n".as_bytes()), Ok(TextEncoding::Utf8));
        assert_eq!(detected("전화번호,이름\n".as_bytes()), Ok(TextEncoding::Utf8));
        for ambiguous in [both("phone,name\n01000000001,價格\n"), "phone,name\n01000000001,José\n".into()]
        {
            let error = detected(&ambiguous).expect_err("Hangul makes no sense").to_string();
            assert!(error.contains("--encoding"), "{error}");
        }
        assert_eq!(detected("phone,name\n01000000001,日本\n".as_bytes()), Ok(TextEncoding::Utf8));
    }

    #[test]
    fn what_cp949_lacks_is_shown_as_missing() {
        assert_eq!(TextEncoding::Cp949.encode("가😀"), [0xb0, 0xa1, b'?']);
    }
}
