//! The published limits of members, held against those that the model checks.

#[cfg(test)]
mod tests {
    use seoham_model::UnixSeconds;
    use seoham_model::contract::Product;
    use seoham_model::document::{CheckContext, ReadItem};
    use serde_json::{Value, json};

    /// The published limits of text members are those that the model checks: one character more is refused.
    #[test]
    fn the_published_limits_are_the_ones_that_are_checked() {
        let published = serde_json::to_value(crate::openapi()).expect("JSON");
        let mut limits = Vec::new();
        let parts =
            ["Document", "Receiver", "Property"].map(|part| &published["components"]["schemas"][part]);
        for part in parts {
            find_limits(part, &mut limits);
        }
        limits.sort();
        limits.dedup();
        let checked = |name: &str, length: usize| {
            let text = if name == "link" {
                format!("https://a.kr/{}", "a".repeat(length - 13))
            } else {
                "가".repeat(length)
            };
            let context = CheckContext {
                now: UnixSeconds(1_800_000_000),
                product: Product { certified: true, ..Product::default() },
                bulk: true,
            };
            let item = with(name, &text).to_string();
            let raw = serde_json::from_str(&item).expect("JSON");
            ReadItem::read(raw).check(context).is_ok()
        };
        for (name, limit) in &limits {
            assert!(checked(name, *limit), "{name}: {limit} characters");
            assert!(!checked(name, limit + 1), "{name}: {limit} characters and one more");
        }
        let names: Vec<&str> = limits.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "ci",
                "cs_name",
                "cs_number",
                "external_document_uuid",
                "hash",
                "link",
                "message",
                "name",
                "payload",
                "title"
            ]
        );
        let most = find(&published, "maxItems").and_then(Value::as_u64).expect("published");
        assert_eq!(usize::try_from(most).expect("fits"), seoham_model::bulk::ITEMS_MAX);
    }

    /// A sound item with one member set.
    fn with(name: &str, text: &str) -> Value {
        let mut item = json!({
            "title": "고지서", "read_expired_sec": 1000, "hash": "h",
            "receiver": { "phone_number": "01000000001", "name": "김", "birthday": "19900101" },
            "property": {
                "link": "https://a.kr/a", "cs_number": "1", "cs_name": "1", "external_document_uuid": "1"
            },
        });
        let part = match name {
            "title" | "hash" => &mut item,
            "ci" | "name" => &mut item["receiver"],
            _ => &mut item["property"],
        };
        part[name] = json!(text);
        item
    }

    fn find_limits(value: &Value, limits: &mut Vec<(String, usize)>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, member) in properties {
                if let Some(most) = member.get("maxLength").and_then(Value::as_u64) {
                    limits.push((name.clone(), usize::try_from(most).expect("fits")));
                }
            }
        }
        match value {
            Value::Object(members) => members.values().for_each(|value| find_limits(value, limits)),
            Value::Array(items) => items.iter().for_each(|value| find_limits(value, limits)),
            _ => {}
        }
    }

    fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
        match value {
            Value::Object(members) => {
                members.get(name).or_else(|| members.values().find_map(|value| find(value, name)))
            }
            Value::Array(items) => items.iter().find_map(|value| find(value, name)),
            _ => None,
        }
    }
}
