//! One setting in the text of a TOML or YAML file, whose other lines stay as they are.

/// The text of a TOML file with a key in a table, written as given.
///
/// # Errors
/// Why nothing can be set there: the file is no TOML, or says something else.
pub(super) fn set_toml(text: &str, table: &str, key: &str, value: &str) -> Result<String, String> {
    let parse = |text: &str| toml::from_str::<toml::Table>(text).map_err(|error| format!("it is no TOML: {error}"));
    let wanted = parse(&format!("{key} = {value}\n"))?;
    let read = parse(text)?;
    let present = read.get(table).map(|found| found.as_table().and_then(|found| found.get(key)));
    match present {
        Some(Some(found)) if Some(found) == wanted.get(key) => return Ok(text.to_owned()),
        Some(Some(_)) => {
            return Err(format!("it sets {table}.{key} to something else already; add to it by hand: {value}"));
        }
        Some(None) | None => {}
    }
    let header = format!("[{table}]");
    let line = format!("{key} = {value}\n");
    let mut new = String::with_capacity(text.len() + line.len());
    let mut set = false;
    for one in text.split_inclusive('\n') {
        new += one;
        if !set && one.trim_end() == header {
            if !one.ends_with('\n') {
                new.push('\n');
            }
            new += &line;
            set = true;
        }
    }
    if !set {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        if !new.is_empty() {
            new.push('\n');
        }
        new += &format!("{header}\n{line}");
    }
    // Tables can be written in other ways, between which this does not tell.
    let is_set = parse(&new).is_ok_and(|new| new.get(table).and_then(|table| table.get(key)) == wanted.get(key));
    if is_set {
        Ok(new)
    } else {
        Err(format!("it writes {table} in a way that is not changed here; add by hand: {key} = {value}"))
    }
}

/// The text without that line, and without the header of a table that holds nothing then.
pub(super) fn unset_toml(text: &str, table: &str, key: &str, value: &str) -> String {
    without(text, &format!("[{table}]"), &format!("{key} = {value}"), |next| next.starts_with('['))
}

/// The text of a YAML file with an item in a list at the top.
///
/// # Errors
/// Why nothing can be added there.
pub(super) fn set_yaml(text: &str, key: &str, item: &str) -> Result<String, String> {
    if text.lines().any(|line| line.starts_with('\t')) {
        return Err("it is no YAML: a line begins with a tab".to_owned());
    }
    let header = format!("{key}:");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(at) = lines.iter().position(|line| line.starts_with(&header)) else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{text}{gap}{header}\n  - {item}\n"));
    };
    let own = lines.get(at).copied().unwrap_or_default();
    if own.trim_end() != header {
        return Err(format!("it writes {key} on one line; add to it by hand: {item}"));
    }
    let items = || lines.iter().skip(at + 1).take_while(|line| line.trim_start().starts_with("- "));
    if items().any(|line| line.trim() == format!("- {item}")) {
        return Ok(text.to_owned());
    }
    let indent =
        items().next().map_or("  ", |first| first.get(..first.len() - first.trim_start().len()).unwrap_or("  "));
    let above: String = lines.iter().take(at + 1).copied().collect();
    let below: String = lines.iter().skip(at + 1).copied().collect();
    let gap = if above.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{above}{gap}{indent}- {item}\n{below}"))
}

/// The text without that item, and without the key of a list that holds nothing then.
pub(super) fn unset_yaml(text: &str, key: &str, item: &str) -> String {
    without(text, &format!("{key}:"), &format!("- {item}"), |next| !next.starts_with([' ', '-', '#']))
}

/// Takes out the first line that says `ours` below `header`, and the header where nothing is left below it.
fn without(text: &str, header: &str, ours: &str, ends: impl Fn(&str) -> bool) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(top) = lines.iter().position(|line| line.trim_end() == header) else { return text.to_owned() };
    let length = lines.iter().skip(top + 1).take_while(|line| line.trim().is_empty() || !ends(line)).count();
    let Some(at) = lines.iter().skip(top + 1).take(length).position(|line| line.trim() == ours) else {
        return text.to_owned();
    };
    lines.remove(top + 1 + at);
    if lines.iter().skip(top + 1).take(length - 1).all(|line| line.trim().is_empty()) {
        lines.remove(top);
        if top.checked_sub(1).and_then(|above| lines.get(above)).is_some_and(|line| line.trim().is_empty()) {
            lines.remove(top - 1);
        }
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_table_comes_and_goes() {
        for text in ["", "model = \"m\" # mine\n", "[t]\n# why\na = 1\n\n[u]\nb = 2\n", "[u]\nb = 2"] {
            let with = set_toml(text, "t", "set", "{ A = \"x\" }").unwrap();
            assert_eq!(set_toml(&with, "t", "set", "{ A = \"x\" }").unwrap(), with);
            assert_eq!(unset_toml(&with, "t", "set", "{ A = \"x\" }").trim_end(), text.trim_end(), "{with}");
        }
        for text in ["[t\n", "t = { a = 1 }\n", "[t]\nset = { A = \"y\" }\n"] {
            assert!(set_toml(text, "t", "set", "{ A = \"x\" }").is_err(), "{text}");
        }
    }

    #[test]
    fn an_item_of_a_list_comes_and_goes() {
        for text in ["", "a: 1 # mine\n", "set-env:\n    - X=1\nb: 2\n", "b: 2"] {
            let with = set_yaml(text, "set-env", "A=x").unwrap();
            assert_eq!(set_yaml(&with, "set-env", "A=x").unwrap(), with);
            assert_eq!(unset_yaml(&with, "set-env", "A=x").trim_end(), text.trim_end(), "{with}");
        }
        assert!(set_yaml("set-env: [X=1]\n", "set-env", "A=x").is_err());
    }
}
