//! Reading a part of a JSON document.
//!
//! Of a pod that the API server sends, webhooks look at a tenth: the rest is passed over, which costs a tenth of reading it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// What is read of a JSON value.
#[derive(Clone, Copy, Debug)]
pub enum Fields<'a> {
    /// All of it.
    All,
    /// Of a map the members with these names, and of a list the same of each element. Texts and numbers are read whole.
    Only(&'a [(&'a str, Fields<'a>)]),
}

impl Fields<'_> {
    /// Reads these fields from JSON. Of members with the same name the last counts. What is not read is still JSON.
    ///
    /// # Errors
    ///
    /// If it is no JSON, or what is read is more than 127 levels deep.
    pub fn read(self, json: &[u8]) -> Result<Value, serde_json::Error> {
        // All at once, for it is checked faster than text by text.
        let json = std::str::from_utf8(json).map_err(Error::custom)?;
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let value = self.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self {
            Self::All => Value::deserialize(deserializer),
            Self::Only(members) => deserializer.deserialize_any(Members(members)),
        }
    }
}

/// Reads [`Fields::Only`].
struct Members<'a>(&'a [(&'a str, Fields<'a>)]);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(Name(name)) = members.next_key()? {
            match self.0.iter().find(|(wanted, _)| *wanted == name) {
                Some((_, fields)) => drop(map.insert(name.into_owned(), members.next_value_seed(*fields)?)),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(Fields::Only(self.0))? {
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

/// A member's name: a copy only if it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
