//! Reading and writing bytes: big-endian numbers, `len8`, base64url.

use crate::Name;

/// `len8(NAME)`: one byte with its length, then its letters.
pub(crate) fn put_name(out: &mut Vec<u8>, name: &Name) {
    out.push(u8::try_from(name.len()).expect("a name has at most 24 letters"));
    out.extend_from_slice(name.as_bytes());
}

/// Takes bytes from the front; `None` where there are too few, and forever after.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn name(&mut self) -> Option<Name> {
        let length = self.u8()?;
        std::str::from_utf8(self.take(length.into())?).ok()?.parse().ok()
    }

    /// That nothing is left.
    pub fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Bytes in JSON: base64url without padding, in their one spelling. For `#[serde(with = "b64")]` on arrays and vectors.
pub mod b64 {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// The bytes' spelling.
    pub fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The bytes of a spelling, where it is the right one and they are as many as `T` holds.
    pub fn decode<T: TryFrom<Vec<u8>>>(text: &str) -> Option<T> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
    }

    /// Writes bytes as text.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encode(bytes))
    }

    /// Reads bytes from text.
    ///
    /// # Errors
    /// Where it is another spelling, or another number of bytes.
    pub fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        decode(&text).ok_or_else(|| D::Error::custom("expected bytes as base64url without padding"))
    }

    /// The same for what may be `null` or absent: `#[serde(default, with = "b64::option")]`.
    pub mod option {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};

        /// Writes bytes as text, or `null`.
        ///
        /// # Errors
        /// The serializer's.
        pub fn serialize<T: AsRef<[u8]>, S: Serializer>(bytes: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
            match bytes {
                Some(bytes) => super::serialize(bytes, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads bytes from text, or `null`.
        ///
        /// # Errors
        /// Where it is another spelling, or another number of bytes.
        pub fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<T>, D::Error> {
            let Some(text) = Option::<String>::deserialize(deserializer)? else {
                return Ok(None);
            };
            super::decode(&text)
                .map(Some)
                .ok_or_else(|| D::Error::custom("expected bytes as base64url without padding"))
        }
    }
}
