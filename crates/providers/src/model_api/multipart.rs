//! Uploads: the parts of a `multipart/form-data` body, as places in its bytes. Start at [`parts`].
//!
//! Stricter than the standard: what two readers could take for two different things is refused, because a plan is
//! judged by what is read here and the provider reads it again.

use std::ops::Range;

use memchr::memmem;

const MOST_PARTS: usize = 100;
const MOST_HEADER_BYTES: usize = 8_192;
const LONGEST_BOUNDARY: usize = 70;

/// One part: the name of its field and where its content is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<'body> {
    pub name: &'body str,
    pub is_file: bool,
    pub content: Range<usize>,
}

/// What is wrong with an upload, as the end of a sentence.
pub type Reason = &'static str;

/// The boundary that a content type names; `None` where it is no `multipart/form-data`.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("boundary") {
            if found.is_some() {
                return None;
            }
            let value = value.trim();
            found = Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value));
        }
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    found.filter(|text| !text.is_empty() && text.len() <= LONGEST_BOUNDARY && text.bytes().all(allowed))
}

/// The parts of a body, in their order.
pub fn parts<'body>(body: &'body [u8], boundary: &str) -> Result<Vec<Part<'body>>, Reason> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    if !body.starts_with(&delimiter.as_bytes()[2..]) {
        return Err("it does not begin with its boundary");
    }
    let mut found = Vec::new();
    let mut at = delimiter.len() - 2;
    loop {
        match body.get(at..at + 2) {
            Some(b"\r\n") => {}
            Some(b"--") if body[at + 2..].iter().all(|byte| b"\r\n".contains(byte)) => return Ok(found),
            Some(b"--") => return Err("something follows its end"),
            _ => return Err("a boundary is followed by something else than a part"),
        }
        if found.len() == MOST_PARTS {
            return Err("it has too many parts");
        }
        let headers_start = at + 2;
        let (headers, content_start) = headers(body, headers_start)?;
        let length = finder.find(&body[content_start..]).ok_or("its last boundary is missing")?;
        let (name, is_file) = disposition(headers)?;
        found.push(Part { name, is_file, content: content_start..content_start + length });
        at = content_start + length + delimiter.len();
    }
}

/// The text of the headers that begin at `start`, and where the content begins.
fn headers(body: &[u8], start: usize) -> Result<(&str, usize), Reason> {
    let window = &body[start..body.len().min(start + MOST_HEADER_BYTES)];
    let length = memmem::find(window, b"\r\n\r\n").ok_or("a part has no end of its headers")?;
    let text = std::str::from_utf8(&window[..length]).map_err(|_| "a part's headers are not UTF-8")?;
    Ok((text, start + length + 4))
}

/// The field's name, and whether it is a file.
fn disposition(headers: &str) -> Result<(&str, bool), Reason> {
    let mut found = None;
    for line in headers.split("\r\n") {
        if line.contains(['\r', '\n']) || line.starts_with([' ', '\t']) {
            return Err("a part's header is broken over lines");
        }
        let (name, value) = line.split_once(':').ok_or("a part has a header without a name")?;
        if name.eq_ignore_ascii_case("content-disposition") {
            let again = found.replace(form_data(value)?);
            if again.is_some() {
                return Err("a part has two dispositions");
            }
        }
        let plain = ["7bit", "8bit", "binary"].iter().any(|plain| value.trim().eq_ignore_ascii_case(plain));
        if name.trim().eq_ignore_ascii_case("content-transfer-encoding") && !plain {
            return Err("a part is encoded for transfer");
        }
    }
    found.ok_or("a part has no name")
}

fn form_data(value: &str) -> Result<(&str, bool), Reason> {
    let mut rest = value.trim().strip_prefix("form-data").ok_or("a part is no form data")?;
    let (mut field, mut is_file) = (None, false);
    while let Some(parameter) = rest.trim_start().strip_prefix(';') {
        let (name, after) = parameter.split_once('=').ok_or("a part's disposition is broken")?;
        let name = name.trim();
        let (value, left) = parameter_value(after)?;
        rest = left;
        if name.eq_ignore_ascii_case("name") {
            if value.contains('%') || field.replace(value).is_some() {
                return Err("a part's name can be read in two ways");
            }
        } else if name.eq_ignore_ascii_case("name*") {
            return Err("a part's name can be read in two ways");
        } else {
            is_file |= name.to_ascii_lowercase().starts_with("filename");
        }
    }
    if !rest.trim().is_empty() {
        return Err("a part's disposition is broken");
    }
    field.map(|name| (name, is_file)).ok_or("a part has no name")
}

/// A parameter's value and what follows it.
fn parameter_value(text: &str) -> Result<(&str, &str), Reason> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let value = text[..end].trim();
        let plain = !value.is_empty() && !value.contains(['"', '\\', ' ', '\t', '\'']);
        return if plain { Ok((value, &text[end..])) } else { Err("a part's disposition is broken") };
    };
    let end = quoted.find('"').ok_or("a part's disposition is broken")?;
    // With an escape, readers differ on where the text ends.
    if quoted[..end].contains('\\') {
        return Err("a part has a backslash in its name or its file name");
    }
    Ok((&quoted[..end], &quoted[end + 1..]))
}
