//! Kubernetes resource quantities (`500m`, `1.5Gi`, `12e6`), as far as `resourceFieldRef` needs them: parsing, and
//! the two roundings that the kubelet applies. Not a general decimal type: nothing adds or prints quantities.

/// A quantity, exact to a billionth; finer fractions are rounded up, as the API server does when it stores them
/// (apimachinery: `resource.ParseQuantity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    nanos: i128,
}

/// The API caps quantities at 2^63−1 (apimachinery: `resource.Quantity`).
const CAP: i128 = i64::MAX as i128 * NANO;
const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// Zero, which the kubelet treats as "not set".
    pub const ZERO: Self = Self { nanos: 0 };
    /// One, the divisor where none is given.
    pub const ONE: Self = Self { nanos: NANO };

    /// Reads a quantity; `None` for text that is none. Values beyond the API's limit are cut to it.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let (binary, decimal) = exponents(suffix)?;
        let nanos = scaled(whole, fraction.trim_end_matches('0'), binary, decimal);
        Some(Self { nanos: if negative { -nanos } else { nanos } })
    }

    /// Whole units, rounded up (apimachinery: `Quantity.Value`).
    pub fn value(self) -> i64 {
        narrow(ceil_div(self.nanos, NANO))
    }

    /// Thousandths, rounded up (apimachinery: `Quantity.MilliValue`).
    pub fn milli_value(self) -> i64 {
        narrow(ceil_div(self.nanos, NANO / 1000))
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

/// `amount / divisor`, rounded up; the amount itself when the divisor is zero.
pub fn divide_rounding_up(amount: i64, divisor: i64) -> i64 {
    if divisor == 0 { amount } else { narrow(ceil_div(amount.into(), divisor.into())) }
}

fn ceil_div(a: i128, b: i128) -> i128 {
    a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0)
}

fn narrow(wide: i128) -> i64 {
    i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
}

/// The powers of two and of ten that a suffix stands for.
fn exponents(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

/// `whole.fraction × 2^binary × 10^decimal` in billionths, rounded up, at most [`CAP`].
fn scaled(whole: &str, fraction: &str, binary: u32, decimal: i32) -> i128 {
    let digits = whole.bytes().chain(fraction.bytes());
    let mantissa =
        digits.map(|d| i128::from(d - b'0')).try_fold(0_i128, |sum, d| sum.checked_mul(10)?.checked_add(d));
    let Some(mantissa) = mantissa.and_then(|m| m.checked_mul(1 << binary)) else {
        // More digits than 128 bits hold. Without a whole part it is a tiny fraction written at length.
        return if whole.bytes().all(|d| d == b'0') {
            scaled(whole, &fraction[..18], binary, decimal)
        } else {
            CAP
        };
    };
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let shift = i64::from(decimal).saturating_add(9).saturating_sub(places);
    let power = |by: i64| u32::try_from(by).ok().and_then(|by| 10_i128.checked_pow(by));
    if mantissa == 0 {
        0
    } else if shift >= 0 {
        power(shift).and_then(|p| mantissa.checked_mul(p)).map_or(CAP, |n| n.min(CAP))
    } else {
        power(shift.saturating_neg()).map_or(1, |p| ceil_div(mantissa, p)).min(CAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).unwrap_or_else(|| panic!("{text} is a quantity"))
    }

    #[test]
    fn suffixes_and_exponents() {
        for (text, value, milli) in [
            ("0", 0, 0),
            ("1", 1, 1000),
            ("250m", 1, 250),
            ("1500m", 2, 1500),
            ("100u", 1, 1),
            ("1n", 1, 1),
            ("1.5", 2, 1500),
            (".5", 1, 500),
            ("5.", 5, 5000),
            ("1k", 1000, 1_000_000),
            ("12e6", 12_000_000, 12_000_000_000),
            ("12E6", 12_000_000, 12_000_000_000),
            ("1e-3", 1, 1),
            ("1E", 1_000_000_000_000_000_000, i64::MAX),
            ("1Ki", 1024, 1_024_000),
            ("1.5Gi", 1_610_612_736, 1_610_612_736_000),
            ("128974848", 128_974_848, 128_974_848_000),
            ("129M", 129_000_000, 129_000_000_000),
            ("123Mi", 128_974_848, 128_974_848_000),
            ("-1500m", -1, -1500),
        ] {
            assert_eq!(quantity(text).value(), value, "{text}");
            assert_eq!(quantity(text).milli_value(), milli, "{text} in thousandths");
        }
    }

    #[test]
    fn what_is_no_quantity_and_what_is_too_big() {
        for text in ["", "m", "1..5", "1.5.", "1 Gi", "1gi", "1e", "1ee3", "--1", "NaN", "1Zi", "é"] {
            assert_eq!(Quantity::parse(text), None, "{text:?}");
        }
        for text in ["9Ei", "99999999999999999999999999999999999999999999", "1e999999999", "10E"] {
            assert_eq!(quantity(text).value(), i64::MAX, "{text}");
        }
        assert_eq!(quantity("1e-999999999").value(), 1, "rounded up, like every fraction");
        assert_eq!(quantity(&format!("0.{}", "3".repeat(200))).milli_value(), 334);
    }

    #[test]
    fn division_rounds_up() {
        for (amount, divisor, expected) in [(0, 1, 0), (1, 3, 1), (3, 3, 1), (4, 3, 2), (7, 0, 7), (-1, 2, 0)]
        {
            assert_eq!(divide_rounding_up(amount, divisor), expected, "{amount} / {divisor}");
        }
    }
}
