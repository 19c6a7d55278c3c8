//! The JSON schemas of tests/fixtures/ocsf, and as much of JSON Schema as they use.

use serde_json::Value;

const API_ACTIVITY: &str = include_str!("../../../../tests/fixtures/ocsf/api_activity.json");
const DETECTION_FINDING: &str = include_str!("../../../../tests/fixtures/ocsf/detection_finding.json");

/// What is wrong with an event, by the schema of its class.
pub(super) fn faults(event: &Value) -> Vec<String> {
    let text = match event["class_uid"].as_u64() {
        Some(6003) => API_ACTIVITY,
        Some(2004) => DETECTION_FINDING,
        other => return vec![format!("no class {other:?}")],
    };
    let root: Value = serde_json::from_str(text).unwrap();
    let mut faults = Vec::new();
    check(&root, &root, event, "", &mut faults);
    faults
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "deprecated" => true,
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                check(root, &root["$defs"][name], value, at, faults);
                true
            }
            "type" => match wanted {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of(value, kind.as_str().unwrap())),
                kind => is_of(value, kind.as_str().unwrap()),
            },
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "required" => wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                let known = &schema["properties"];
                wanted == true || value.as_object().is_none_or(|all| all.keys().all(|key| known.get(key).is_some()))
            }
            "properties" => {
                for (key, inner) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = wanted.get(key) {
                        check(root, schema, inner, &format!("{at}/{key}"), faults);
                    }
                }
                true
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                items.for_each(|item| check(root, wanted, item, &format!("{at}[]"), faults));
                true
            }
            "anyOf" => matching(root, wanted, value) > 0,
            "oneOf" => matching(root, wanted, value) == 1,
            "maxLength" => value
                .as_str()
                .is_none_or(|text| u64::try_from(text.chars().count()).unwrap() <= wanted.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            // Addresses and the like, of which the events have none.
            "pattern" => false,
            other => panic!("the schema uses {other}, which nobody reads"),
        };
        if !holds {
            faults.push(format!("{at}: {keyword} {wanted}"));
        }
    }
}

fn matching(root: &Value, schemas: &Value, value: &Value) -> usize {
    let holds = |schema: &&Value| {
        let mut faults = Vec::new();
        check(root, schema, value, "", &mut faults);
        faults.is_empty()
    };
    schemas.as_array().unwrap().iter().filter(holds).count()
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("the schema has a type {other}"),
    }
}
