//! JSON texts whose bytes depend on nothing but their content: members stay in the order in which
//! they were added, whatever other crates have `serde_json` do.

/// An object in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    members: String,
}

impl Object {
    pub(crate) const fn new() -> Self {
        Self {
            members: String::new(),
        }
    }

    /// Adds a member whose value is `json`.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        if !self.members.is_empty() {
            self.members.push(',');
        }
        push_string(&mut self.members, name);
        self.members.push(':');
        self.members.push_str(json);
        self
    }

    /// Adds a member; `null` where there is no value.
    pub(crate) fn put(&mut self, name: &str, value: impl ToJson) -> &mut Self {
        let mut json = String::new();
        value.push_to(&mut json);
        self.raw(name, &json)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn finish(&self) -> String {
        format!("{{{}}}", self.members)
    }
}

/// An array of these JSON texts.
pub(crate) fn array<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let mut json = String::from("[");
    for item in items {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(item.as_ref());
    }
    json.push(']');
    json
}

/// What has one JSON text.
pub(crate) trait ToJson {
    fn push_to(&self, json: &mut String);
}

impl ToJson for &str {
    fn push_to(&self, json: &mut String) {
        push_string(json, self);
    }
}

impl ToJson for String {
    fn push_to(&self, json: &mut String) {
        push_string(json, self);
    }
}

impl ToJson for u64 {
    fn push_to(&self, json: &mut String) {
        json.push_str(&self.to_string());
    }
}

impl ToJson for bool {
    fn push_to(&self, json: &mut String) {
        json.push_str(if *self { "true" } else { "false" });
    }
}

/// The shortest decimal form; `null` where JSON has no number for it.
impl ToJson for f64 {
    fn push_to(&self, json: &mut String) {
        if self.is_finite() {
            json.push_str(&format!("{self:?}"));
        } else {
            json.push_str("null");
        }
    }
}

impl ToJson for Object {
    fn push_to(&self, json: &mut String) {
        json.push_str(&self.finish());
    }
}

impl<T: ToJson> ToJson for Option<T> {
    fn push_to(&self, json: &mut String) {
        match self {
            Some(value) => value.push_to(json),
            None => json.push_str("null"),
        }
    }
}

/// With the escapes that JSON requires, and `<` escaped so that the text may stand in a page.
fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '<' | '\u{0}'..'\u{20}' | '\u{2028}' | '\u{2029}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn others_read_what_was_written(name in any::<String>(), text in any::<String>(), number in any::<f64>(), count in any::<u64>()) {
            let mut inner = Object::new();
            inner.put(&name, text.as_str());
            let mut object = Object::new();
            object.put("a", inner).put("b", number).put("c", count).put("d", None::<u64>);
            object.raw("e", &array(["1", "[]"])).put("f", true);
            let read: serde_json::Value = serde_json::from_str(&object.finish()).unwrap();
            prop_assert_eq!(read["a"][&name].as_str(), Some(text.as_str()));
            prop_assert_eq!(read["b"].as_f64(), Some(number).filter(|number| number.is_finite()));
            prop_assert_eq!(read["c"].as_u64(), Some(count));
            prop_assert!(read["d"].is_null() && read["f"] == true && read["e"][0] == 1);
        }
    }

    #[test]
    fn members_stay_in_order() {
        let mut object = Object::new();
        object.put("z", 1).put("a", "</script>");
        assert_eq!(object.finish(), r#"{"z":1,"a":"\u003c/script>"}"#);
        assert_eq!(Object::new().finish(), "{}");
    }
}
