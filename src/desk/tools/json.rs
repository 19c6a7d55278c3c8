//! One setting in the text of a JSON file, with its comments (JSONC), order and spacing left as they are.

use std::ops::Range;

/// Nesting that is followed. Settings of tools are a few levels deep.
const DEPTH: usize = 64;

/// A member of an object, as it stands in the text.
struct Member {
    key: String,
    start: usize,
    value: Range<usize>,
}

/// An object, as it stands in the text, from its first brace to its last.
struct Object {
    open: usize,
    members: Vec<Member>,
    close: usize,
}

/// The text with a value at a path of keys. The same text where it stands there already.
///
/// # Errors
/// Why nothing can be set there: the file is no JSON, or says something else.
pub(super) fn set(text: &str, path: &[&str], value: &str) -> Result<String, String> {
    let text = if text.trim().is_empty() { "{\n}\n" } else { text };
    validate(text)?;
    let (last, outer) = path.split_last().ok_or("no key")?;
    let mut object = root(text)?;
    for (depth, key) in outer.iter().enumerate() {
        match object.members.iter().find(|member| member.key == *key) {
            Some(member) => object = object_at(text, member.value.start)?.ok_or(format!("{key} is no object"))?,
            None => {
                let rest = path.get(depth + 1..).unwrap_or_default();
                let nested = rest.iter().rev().fold(value.to_owned(), |inner, key| format!("{{ \"{key}\": {inner} }}"));
                return insert(text, &object, key, &nested);
            }
        }
    }
    match object.members.iter().find(|member| member.key == *last) {
        Some(member) if text.get(member.value.clone()) == Some(value) => Ok(text.to_owned()),
        Some(_) => Err(format!("it sets {} to something else already", path.join("."))),
        None => insert(text, &object, last, value),
    }
}

/// The text without a value at a path of keys, and without objects that hold nothing then. The same text where another value stands
/// there, or none.
///
/// # Errors
/// Why the text cannot be read.
pub(super) fn unset(text: &str, path: &[&str], value: &str) -> Result<String, String> {
    validate(text)?;
    let Some((last, outer)) = path.split_last() else { return Ok(text.to_owned()) };
    let mut object = root(text)?;
    for key in outer {
        let Some(member) = object.members.iter().find(|member| member.key == *key) else { return Ok(text.to_owned()) };
        let Some(inner) = object_at(text, member.value.start)? else { return Ok(text.to_owned()) };
        object = inner;
    }
    let Some(index) = object.members.iter().position(|member| member.key == *last) else { return Ok(text.to_owned()) };
    let Some(member) = object.members.get(index).filter(|member| text.get(member.value.clone()) == Some(value)) else {
        return Ok(text.to_owned());
    };
    if object.members.len() == 1 && !outer.is_empty() {
        let whole = text.get(object.open..=object.close).unwrap_or_default();
        return unset(text, outer, whole);
    }
    let before = index.checked_sub(1).and_then(|before| object.members.get(before));
    let mut left = text.to_owned();
    match (before, object.members.get(index + 1)) {
        (_, Some(next)) => left.replace_range(member.start..next.start, ""),
        (Some(before), None) => {
            // A comment may stand between the two, on the line of the one before.
            let gap = text.get(before.value.end..member.start).unwrap_or_default();
            let line = gap.rfind('\n').map_or(before.value.end, |feed| before.value.end + feed);
            left.replace_range(line..member.value.end, "");
            let comma = skip(text, before.value.end)?;
            if comma < line && text.as_bytes().get(comma) == Some(&b',') {
                left.replace_range(comma..=comma, "");
            }
        }
        (None, None) => left.replace_range(object.open + 1..object.close, ""),
    }
    Ok(left)
}

/// The text with an item in the list at a path of keys. The same text where it is in it already.
///
/// # Errors
/// Why nothing can be put there: the file is no JSON, or has something else than a list there.
pub(super) fn set_item(text: &str, path: &[&str], item: &str) -> Result<String, String> {
    let Some(list) = list(text, path)? else { return set(text, path, &format!("[{item}]")) };
    let Some(last) = list.items.last() else {
        let mut new = text.to_owned();
        new.replace_range(list.open + 1..list.close, item);
        return Ok(new);
    };
    if list.items.iter().any(|own| text.get(own.clone()) == Some(item)) {
        return Ok(text.to_owned());
    }
    let first = list.items.first().map_or(last.start, |first| first.start);
    let is_below = text.get(list.open..first).is_some_and(|gap| gap.contains('\n'));
    let gap = if is_below { format!("\n{}", indent_of(text, first)) } else { " ".to_owned() };
    let after = skip(text, last.end)?;
    let comma = text.as_bytes().get(after) == Some(&b',');
    let end = if comma { after + 1 } else { last.end };
    let mut new = text.to_owned();
    new.insert_str(if is_below { end_of_line_comment(text, end) } else { end }, &format!("{gap}{item}"));
    if !comma {
        new.insert(last.end, ',');
    }
    Ok(new)
}

/// The text without an item of the list at a path of keys, and without lists and objects that hold nothing then.
///
/// # Errors
/// Why the text cannot be read.
pub(super) fn unset_item(text: &str, path: &[&str], item: &str) -> Result<String, String> {
    let Some(list) = list(text, path)? else { return Ok(text.to_owned()) };
    let Some(index) = list.items.iter().position(|own| text.get(own.clone()) == Some(item)) else {
        return Ok(text.to_owned());
    };
    if list.items.len() == 1 {
        return unset(text, path, text.get(list.open..=list.close).unwrap_or_default());
    }
    let before = index.checked_sub(1).and_then(|before| list.items.get(before));
    let mut left = text.to_owned();
    match (list.items.get(index), list.items.get(index + 1), before) {
        (Some(own), Some(next), _) => left.replace_range(own.start..next.start, ""),
        (Some(own), None, Some(before)) => left.replace_range(before.end..own.end, ""),
        (_, None, None) | (None, ..) => {}
    }
    Ok(left)
}

/// A list, as it stands in the text.
struct List {
    open: usize,
    items: Vec<Range<usize>>,
    close: usize,
}

/// The list at a path of keys, if there is anything.
fn list(text: &str, path: &[&str]) -> Result<Option<List>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    validate(text)?;
    let mut place = skip(text, 0)?;
    for key in path {
        let object = object_at(text, place)?.ok_or_else(|| format!("what holds {key} is no object"))?;
        let Some(member) = object.members.iter().find(|member| member.key == *key) else { return Ok(None) };
        place = member.value.start;
    }
    if text.as_bytes().get(place) != Some(&b'[') {
        return Err(format!("{} is no list", path.join(".")));
    }
    let (open, mut items) = (place, Vec::new());
    place = skip(text, open + 1)?;
    while text.as_bytes().get(place) != Some(&b']') {
        let end = value_end(text, place).ok_or("it is no JSON: it is cut off")?;
        items.push(place..end);
        place = skip(text, end)?;
        if text.as_bytes().get(place) == Some(&b',') {
            place = skip(text, place + 1)?;
        }
    }
    Ok(Some(List { open, items, close: place }))
}

fn insert(text: &str, object: &Object, key: &str, value: &str) -> Result<String, String> {
    let outer = indent_of(text, object.open);
    let entry = |indent: &str| format!("\n{indent}\"{key}\": {value}");
    let mut new = text.to_owned();
    match object.members.last() {
        Some(last) => {
            let first = object.members.first().map_or(last.start, |first| first.start);
            let indent = indent_of(text, first);
            let after = skip(text, last.value.end)?;
            // A comma may stand after the last one where comments may.
            let comma = text.as_bytes().get(after) == Some(&b',');
            let end = if comma { after + 1 } else { last.value.end };
            if text.get(object.open..first).is_some_and(|gap| gap.contains('\n')) {
                new.insert_str(end_of_line_comment(text, end), &entry(indent));
            } else {
                new.insert_str(end, &format!(" \"{key}\": {value}"));
            }
            if !comma {
                new.insert(last.value.end, ',');
            }
        }
        None => new.replace_range(object.open + 1..object.close, &format!("{}\n{outer}", entry(&format!("{outer}  ")))),
    }
    Ok(new)
}

/// The blank at the beginning of the line that a place is in.
fn indent_of(text: &str, place: usize) -> &str {
    let line = text.get(..place).and_then(|before| before.rfind('\n')).map_or(0, |feed| feed + 1);
    let rest = text.get(line..place).unwrap_or_default();
    let end = rest.find(|one: char| one != ' ' && one != '\t').unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// Whether the text is JSON, comments and last commas aside.
fn validate(text: &str) -> Result<(), String> {
    let object = root(text)?;
    let plain = without_comments(text);
    serde_json::from_str::<serde_json::Value>(&plain).map_err(|error| format!("it is no JSON: {error}"))?;
    if skip(text, object.close + 1)? == text.len() { Ok(()) } else { Err("it is no JSON: more follows".to_owned()) }
}

/// The text with blanks in the place of comments and of commas after which nothing follows.
fn without_comments(text: &str) -> String {
    let mut plain: Vec<u8> = Vec::with_capacity(text.len());
    let mut place = 0;
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(place) {
        let end = match byte {
            b'"' => string_end(text, place).unwrap_or(bytes.len()),
            b'/' => comment_end(text, place).unwrap_or(place + 1),
            _ => place + 1,
        };
        let part = bytes.get(place..end).unwrap_or_default();
        let closes = *byte == b',' && skip(text, end).is_ok_and(|next| matches!(bytes.get(next), Some(b'}' | b']')));
        if closes || (*byte == b'/' && end > place + 1) {
            plain.extend(part.iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        } else {
            plain.extend_from_slice(part);
        }
        place = end;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn root(text: &str) -> Result<Object, String> {
    object_at(text, skip(text, 0)?)?.ok_or_else(|| "it is no JSON object".to_owned())
}

/// The object that begins at a place, if one does.
fn object_at(text: &str, open: usize) -> Result<Option<Object>, String> {
    let cut_off = || "it is no JSON: it is cut off".to_owned();
    if text.as_bytes().get(open) != Some(&b'{') {
        return Ok(None);
    }
    let mut members = Vec::new();
    let mut place = skip(text, open + 1)?;
    loop {
        match text.as_bytes().get(place) {
            Some(b'}') => return Ok(Some(Object { open, members, close: place })),
            Some(b'"') => {}
            _ => return Err(cut_off()),
        }
        let start = place;
        let end = string_end(text, start).ok_or_else(cut_off)?;
        let key = text.get(start..end).and_then(|key| serde_json::from_str(key).ok()).ok_or_else(cut_off)?;
        let colon = skip(text, end)?;
        if text.as_bytes().get(colon) != Some(&b':') {
            return Err(cut_off());
        }
        let value = skip(text, colon + 1)?;
        let end = value_end(text, value).ok_or_else(cut_off)?;
        members.push(Member { key, start, value: value..end });
        place = skip(text, end)?;
        if text.as_bytes().get(place) == Some(&b',') {
            place = skip(text, place + 1)?;
        }
    }
}

fn value_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes.get(start)? {
        b'"' => string_end(text, start),
        b'{' | b'[' => {
            let (mut place, mut depth) = (start, 0_usize);
            loop {
                place = match bytes.get(place)? {
                    b'"' => string_end(text, place)?,
                    b'/' => comment_end(text, place)?,
                    b'{' | b'[' => {
                        depth = depth.checked_add(1).filter(|depth| *depth <= DEPTH)?;
                        place + 1
                    }
                    b'}' | b']' => {
                        depth -= 1;
                        place + 1
                    }
                    _ => place + 1,
                };
                if depth == 0 {
                    return Some(place);
                }
            }
        }
        _ => {
            let rest = text.get(start..)?;
            let end = rest.find(|one: char| matches!(one, ',' | '}' | ']' | '/') || one.is_whitespace());
            end.filter(|length| *length > 0).map(|length| start + length)
        }
    }
}

fn string_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut place = start.checked_add(1)?;
    loop {
        place = match bytes.get(place)? {
            b'\\' => place + 2,
            b'"' => return Some(place + 1),
            _ => place + 1,
        };
    }
}

/// The end of a comment that begins at a place.
fn comment_end(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    if rest.starts_with("//") {
        return Some(rest.find('\n').map_or(text.len(), |end| start + end));
    }
    let end = rest.strip_prefix("/*")?.find("*/")?;
    Some(start + end + 4)
}

/// The end of a comment that stands on the same line, or the place itself.
fn end_of_line_comment(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    comment_end(text, from + blank).unwrap_or(from)
}

/// The next place that is neither blank nor in a comment.
fn skip(text: &str, from: usize) -> Result<usize, String> {
    let mut place = from;
    loop {
        match text.as_bytes().get(place) {
            Some(b' ' | b'\t' | b'\r' | b'\n') => place += 1,
            Some(b'/') => place = comment_end(text, place).ok_or("it is no JSON: a comment does not end")?,
            _ => return Ok(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: [&str; 2] = ["env", "COUNTERSIGN_AGENT"];

    #[test]
    fn a_setting_comes_and_goes_and_leaves_what_was_there() {
        for text in [
            "{}",
            "{\n}\n",
            "{\"a\":1}",
            "{\n  \"a\": [1, \"}\"],\n  \"env\": {\n    \"X\": \"1\"\n  },\n  \"z\": true\n}\n",
            "// mine\n{\n\t\"env\": {\n\t\t\"X\": \"/* no comment */\", // why\n\t},\n}\n",
            "{ \"env\": { \"X\": \"a\\\"b\" } } // end",
        ] {
            let with = set(text, &PATH, "\"x\"").unwrap();
            assert_ne!(with, text);
            assert_eq!(set(&with, &PATH, "\"x\"").unwrap(), with, "a second time changes nothing");
            let value: serde_json::Value = serde_json::from_str(&without_comments(&with)).unwrap();
            assert_eq!(value["env"]["COUNTERSIGN_AGENT"], "x", "{with}");
            // A comment stays on the line that it is about.
            for line in text.lines().filter(|line| line.starts_with('\t') && line.contains("//")) {
                assert!(with.lines().any(|with| with == line), "{with}");
            }
            let without = unset(&with, &PATH, "\"x\"").unwrap();
            let plain = |text: &str| serde_json::from_str::<serde_json::Value>(&without_comments(text)).unwrap();
            assert_eq!(plain(&without), plain(text), "{without}");
            assert_eq!(unset(&with, &PATH, "\"y\"").unwrap(), with, "another's value stays");
        }
        let edited = set("{\n  \"a\": 1\n}\n", &PATH, "\"x\"").unwrap().replace("\"x\" }", "\"x\", \"Y\": \"2\" }");
        assert_eq!(unset(&edited, &PATH, "\"x\"").unwrap(), "{\n  \"a\": 1,\n  \"env\": { \"Y\": \"2\" }\n}\n");
    }

    #[test]
    fn an_item_comes_and_goes_and_leaves_the_others() {
        let (path, item) = (["hooks", "Before"], "{ \"command\": \"ours\" }");
        for text in [
            "",
            "{}",
            "{\n  \"hooks\": {}\n}\n",
            "{ \"hooks\": { \"Before\": [] } }",
            "{ \"hooks\": { \"Before\": [1, [2], \"]\"] } }",
            "{\n  \"hooks\": {\n    \"Before\": [\n      { \"command\": \"mine\" }, // why\n    ]\n  }\n}\n",
            "{\n  \"hooks\": {\n    \"Before\": [\n      { \"command\": \"mine\" }\n    ]\n  }\n}\n",
        ] {
            let plain = |text: &str| serde_json::from_str::<serde_json::Value>(&without_comments(text)).unwrap();
            let with = set_item(text, &path, item).unwrap();
            let items = plain(&with)["hooks"]["Before"].as_array().unwrap().clone();
            assert_eq!(items.last().unwrap()["command"], "ours", "{with}");
            assert!(text.lines().filter(|line| line.contains("mine")).all(|line| with.contains(line)), "{with}");
            assert_eq!(set_item(&with, &path, item).unwrap(), with, "a second time changes nothing");
            let without = unset_item(&with, &path, item).unwrap();
            assert!(!without.contains("ours"), "{without}");
            let more = set_item(&with, &path, "3").unwrap();
            let (left, expected) = (unset_item(&more, &path, item).unwrap(), [&items[..items.len() - 1], &[3.into()]]);
            assert_eq!(plain(&left)["hooks"]["Before"], serde_json::Value::from(expected.concat()), "{left}");
        }
        for text in ["{ \"hooks\": 1 }", "{ \"hooks\": { \"Before\": {} } }", "{ \"hooks\": { \"Before\": [ } }"] {
            assert!(set_item(text, &path, item).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_or_says_otherwise_is_refused() {
        for text in [
            "[1]",
            "{",
            "{\"a\" 1}",
            "{\"a\": }",
            "{} {}",
            "/* ",
            "{\"env\": 1}",
            "{\"env\": {\"COUNTERSIGN_AGENT\": \"other\"}}",
            "{\"a\": 1 \"b\": 2}",
        ] {
            assert!(set(text, &PATH, "\"x\"").is_err(), "{text}");
        }
    }
}
