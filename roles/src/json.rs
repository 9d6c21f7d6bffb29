//! Unambiguous JSON: no duplicate names in an object, nothing after the value.

use std::borrow::Cow;
use std::fmt;

use hashbrown::HashSet;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value. Texts without escapes are those of the source.
#[derive(Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    /// A truth value or a number.
    Plain,
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    Map(Vec<Entry<'a>>),
}

/// A name in an object, and its value.
pub(crate) type Entry<'a> = (Cow<'a, str>, Json<'a>);

/// The one value of a text.
pub(crate) fn parse(text: &[u8]) -> Result<Json<'_>, String> {
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

/// A name in an object.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Values)? {
            Json::Text(text) => Ok(Name(text)),
            _ => Err(D::Error::custom("a name is not text")),
        }
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json<'de>, E> {
        Ok(Json::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Plain)
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        const FEW: usize = 16;
        let mut entries: Vec<Entry<'de>> = Vec::new();
        let mut names: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(Name(name)) = map.next_key()? {
            let is_repeated = if entries.len() < FEW {
                entries.iter().any(|(known, _)| *known == name)
            } else {
                if names.is_empty() {
                    names.extend(entries.iter().map(|(name, _)| name.clone()));
                }
                !names.insert(name.clone())
            };
            if is_repeated {
                return Err(A::Error::custom("an object has a name twice"));
            }
            let value = map.next_value()?;
            entries.push((name, value));
        }
        Ok(Json::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strict_json_is_read() {
        for text in [
            "{\"a\":1,\"\\u0061\":2}",
            "{} {}",
            "{}x",
            "\u{feff}{}",
            "{/* */}",
            "{'a':1}",
            "[1,]",
            "{a:1}",
            "",
            "NaN",
            "\"\\ud800\"",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse(&[b"[".repeat(1000), b"]".repeat(1000)].concat()).is_err());
        assert_eq!(
            parse(b" {\"\\u0061\":[1,null,\"x\"]} "),
            Ok(Json::Map(vec![("a".into(), Json::List(vec![Json::Plain, Json::Null, Json::Text("x".into())]))]))
        );
        let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":1")).collect();
        assert!(parse(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        assert!(parse(format!("{{{},\"k3\":2}}", many.join(",")).as_bytes()).is_err());
    }
}
