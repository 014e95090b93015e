//! Which number a value stands for.

/// Which number a value stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reading {
    /// Sixteen bytes, big-endian, not negative.
    U128,
    /// Digits, with a sign and a point where there is need: `-12.50`.
    Decimal {
        /// How many digits may follow the point; the number is counted in units of the last.
        scale: u8,
    },
    /// A field of a JSON value, where RFC 6901 says: an integer, or a text with digits as above.
    Json {
        /// The path to the field: `/balance`.
        pointer: String,
        /// How many digits may follow the point.
        scale: u8,
    },
}

/// A value does not stand for a number, or for one that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is no number, read this way")]
#[non_exhaustive]
pub struct NotANumber;

impl Reading {
    /// An integer in the field `pointer` of a JSON value.
    #[must_use]
    pub fn json(pointer: &str) -> Self {
        Self::Json {
            pointer: pointer.to_owned(),
            scale: 0,
        }
    }

    /// The number that `value` stands for, in units of its last digit.
    ///
    /// # Errors
    ///
    /// [`NotANumber`].
    ///
    /// ```
    /// use persistence::Reading;
    ///
    /// assert_eq!(Reading::Decimal { scale: 2 }.read(b"12.5"), Ok(1250));
    /// assert_eq!(Reading::json("/balance").read(br#"{"balance": 900}"#), Ok(900));
    /// ```
    pub fn read(&self, value: &[u8]) -> Result<i128, NotANumber> {
        match self {
            Self::U128 => {
                let bytes = value.try_into().map_err(|_| NotANumber)?;
                u128::from_be_bytes(bytes)
                    .try_into()
                    .map_err(|_| NotANumber)
            }
            Self::Decimal { scale } => {
                decimal(std::str::from_utf8(value).map_err(|_| NotANumber)?, *scale)
            }
            Self::Json { pointer, scale } => {
                let value: serde_json::Value =
                    serde_json::from_slice(value).map_err(|_| NotANumber)?;
                match value.pointer(pointer) {
                    Some(serde_json::Value::Number(number)) => decimal(&number.to_string(), *scale),
                    Some(serde_json::Value::String(text)) => decimal(text, *scale),
                    _ => Err(NotANumber),
                }
            }
        }
    }
}

/// The number `text` in units of its `scale`th digit behind the point. No exponents.
fn decimal(text: &str, scale: u8) -> Result<i128, NotANumber> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_pointed = digits.len() > whole.len();
    if whole.is_empty() || (is_pointed && fraction.is_empty()) {
        return Err(NotANumber);
    }
    // A fraction of zeros says no more than none, however long it is.
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::from(scale)
        .checked_sub(fraction.len())
        .ok_or(NotANumber)?;
    let mut number: i128 = 0;
    let digits = whole.bytes().chain(fraction.bytes());
    for digit in digits.chain(std::iter::repeat_n(b'0', missing)) {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10);
        let digit = i128::from(digit.ok_or(NotANumber)?);
        number = (number.checked_mul(10))
            .and_then(|number| number.checked_add(digit))
            .ok_or(NotANumber)?;
    }
    Ok(if negative { -number } else { number })
}
