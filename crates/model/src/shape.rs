//! Input shapes: the closed set of classes that an argument or a return value can fall into (V1).
//!
//! A [`Class`] is sixteen bits: a kind and a small detail. Together with an optional type name, the
//! name of a code element, that is all that is ever known of a value (I-VALUE).

use crate::Name;

/// What kind of thing a value is.
///
/// The numbers are part of the wire and block formats: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// Not looked at.
    #[default]
    Unknown = 0,
    /// `None`, `null`, `nil`.
    Null = 1,
    /// `undefined`, or an argument that was not passed.
    Undefined = 2,
    /// A truth value; detail 0 or 1.
    Bool = 3,
    /// An integer; detail is sign and magnitude.
    Int = 4,
    /// A floating-point number; detail is sign and magnitude, or a special class.
    Float = 5,
    /// A text; detail is the length bucket.
    Str = 6,
    /// Bytes; detail is the length bucket.
    Bytes = 7,
    /// An ordered sequence; detail is the length bucket.
    List = 8,
    /// A fixed tuple; detail is the length bucket.
    Tuple = 9,
    /// A mapping; detail is the length bucket.
    Map = 10,
    /// A set; detail is the length bucket.
    Set = 11,
    /// Anything else: only its type name is known.
    Object = 12,
    /// A function or other callable whose type is built in.
    Callable = 13,
    /// A member of an enumeration; the type name reads `Type.MEMBER`.
    EnumMember = 14,
    /// A type object.
    Type = 15,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Unknown,
        Self::Null,
        Self::Undefined,
        Self::Bool,
        Self::Int,
        Self::Float,
        Self::Str,
        Self::Bytes,
        Self::List,
        Self::Tuple,
        Self::Map,
        Self::Set,
        Self::Object,
        Self::Callable,
        Self::EnumMember,
        Self::Type,
    ];

    /// Whether the detail is a length bucket.
    pub fn is_sized(self) -> bool {
        matches!(self, Self::Str | Self::Bytes | Self::List | Self::Tuple | Self::Map | Self::Set)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Null => "None",
            Self::Undefined => "undefined",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Str => "str",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Tuple => "tuple",
            Self::Map => "dict",
            Self::Set => "set",
            Self::Object => "object",
            Self::Callable => "callable",
            Self::EnumMember => "enum",
            Self::Type => "type",
        }
    }
}

const NEGATIVE: u8 = 0x80;
const MAGNITUDE: u8 = 0x7f;
const NAN: u8 = 0xff;
const POSITIVE_INFINITY: u8 = 0x7f;
const NEGATIVE_INFINITY: u8 = 0xfe;

/// A kind and its detail: sixteen bits, all that is recorded of a value besides its type's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Truth value, sign and magnitude, or length bucket, as the kind says.
    pub detail: u8,
}

impl Class {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self { kind: Kind::Unknown, detail: 0 };
    /// `None`, `null`, `nil`.
    pub const NULL: Self = Self { kind: Kind::Null, detail: 0 };

    /// A class without detail.
    pub const fn of(kind: Kind) -> Self {
        Self { kind, detail: 0 }
    }

    /// A truth value.
    pub const fn bool(value: bool) -> Self {
        Self { kind: Kind::Bool, detail: value as u8 }
    }

    /// An integer of this sign and bit length (0 for zero; at most 127 is kept).
    pub const fn int(negative: bool, bit_length: u32) -> Self {
        let magnitude = if bit_length > 127 { MAGNITUDE } else { bit_length as u8 };
        let sign = if negative && magnitude > 0 { NEGATIVE } else { 0 };
        Self { kind: Kind::Int, detail: sign | magnitude }
    }

    /// A floating-point number: zero, NaN, an infinity, or its sign and power of two.
    pub fn float(value: f64) -> Self {
        let detail = if value.is_nan() {
            NAN
        } else if value == f64::INFINITY {
            POSITIVE_INFINITY
        } else if value == f64::NEG_INFINITY {
            NEGATIVE_INFINITY
        } else if value == 0.0 {
            0
        } else {
            // 1 ..= 125 with 63 for the numbers from 1 up to 2.
            let power = value.abs().log2().floor().clamp(-62.0, 62.0) as i8;
            let sign = if value < 0.0 { NEGATIVE } else { 0 };
            sign | (power + 63) as u8
        };
        Self { kind: Kind::Float, detail }
    }

    /// Something with a length: bucket 0 is empty, bucket `b` holds lengths of `b` bits.
    pub const fn sized(kind: Kind, len: u64) -> Self {
        Self { kind, detail: (64 - len.leading_zeros()) as u8 }
    }

    /// Number in the wire and block formats.
    pub const fn code(self) -> u32 {
        (self.kind as u32) << 8 | self.detail as u32
    }

    /// The class with this number; an unknown kind becomes [`Class::UNKNOWN`].
    pub fn from_code(code: u32) -> Self {
        match Kind::ALL.get((code >> 8) as usize) {
            Some(Kind::Unknown) | None => Self::UNKNOWN,
            Some(kind) => Self { kind: *kind, detail: code as u8 },
        }
    }

    /// Whether it is an empty container, text or bytes.
    pub fn is_empty(self) -> bool {
        self.kind.is_sized() && self.detail == 0
    }

    /// Whether it is the number zero.
    pub fn is_zero(self) -> bool {
        matches!(self.kind, Kind::Int | Kind::Float) && self.detail == 0
    }

    /// Whether it is a number below zero.
    pub fn is_negative(self) -> bool {
        match self.kind {
            Kind::Int => self.detail & NEGATIVE != 0,
            Kind::Float => self.detail != NAN && self.detail & NEGATIVE != 0,
            _ => false,
        }
    }

    /// Whether it is the floating-point NaN.
    pub fn is_nan(self) -> bool {
        self.kind == Kind::Float && self.detail == NAN
    }

    /// The smallest and largest length, or integer magnitude, that falls into this class.
    pub fn bounds(self) -> Option<(u64, u64)> {
        let bits = match self.kind {
            Kind::Int => self.detail & MAGNITUDE,
            kind if kind.is_sized() => self.detail,
            _ => return None,
        };
        Some(match bits {
            0 => (0, 0),
            1..=63 => (1 << (bits - 1), (1 << bits) - 1),
            64 => (1 << 63, u64::MAX),
            _ => (u64::MAX, u64::MAX),
        })
    }
}

/// A class with the name of the type, where the class alone does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// Kind and detail.
    pub class: Class,
    /// Qualified type name of objects, `Type.MEMBER` of enum members, and subclasses of built-in
    /// types; `None` where the kind says it all.
    pub type_name: Option<Name>,
}

impl Shape {
    /// A shape of a built-in type.
    pub fn new(class: Class) -> Self {
        Self { class, type_name: None }
    }

    /// Name of the type alone: `str`, `dict`, `shop.Cart`.
    pub fn type_label(&self) -> &str {
        self.type_name.as_deref().unwrap_or(self.class.kind.as_str())
    }

    /// Short text for screens and JSON: `None`, `True`, `int 0`, `int < 0 (4–7)`, `str empty`,
    /// `list len 2–3`, `shop.Cart`.
    pub fn label(&self) -> String {
        let class = self.class;
        let name = self.type_label();
        match class.kind {
            Kind::Null => "None".into(),
            Kind::Bool => if class.detail == 0 { "False" } else { "True" }.into(),
            Kind::Int if class.is_zero() => format!("{name} 0"),
            Kind::Int => {
                let sign = if class.is_negative() { '<' } else { '>' };
                format!("{name} {sign} 0 ({})", range(class))
            }
            Kind::Float => match class.detail {
                NAN => format!("{name} NaN"),
                POSITIVE_INFINITY => format!("{name} +inf"),
                NEGATIVE_INFINITY => format!("{name} -inf"),
                0 => format!("{name} 0"),
                _ if class.is_negative() => format!("{name} < 0"),
                _ => format!("{name} > 0"),
            },
            kind if kind.is_sized() && class.detail == 0 => format!("{name} empty"),
            kind if kind.is_sized() => format!("{name} len {}", range(class)),
            _ => name.into(),
        }
    }
}

fn range(class: Class) -> String {
    match class.bounds() {
        Some((low, high)) if low == high => low.to_string(),
        Some((low, high)) if high <= 1 << 20 => format!("{low}–{high}"),
        Some((low, _)) => format!("≥ {low}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_read_as_a_person_would_say_them() {
        let label = |class| Shape::new(class).label();
        assert_eq!(label(Class::NULL), "None");
        assert_eq!(label(Class::bool(true)), "True");
        assert_eq!(label(Class::int(false, 0)), "int 0");
        assert_eq!(label(Class::int(true, 3)), "int < 0 (4–7)");
        assert_eq!(label(Class::sized(Kind::Str, 0)), "str empty");
        assert_eq!(label(Class::sized(Kind::List, 1)), "list len 1");
        assert_eq!(label(Class::sized(Kind::List, 3)), "list len 2–3");
        assert_eq!(label(Class::float(f64::NAN)), "float NaN");
        let cart = Shape { class: Class::of(Kind::Object), type_name: Some("shop.Cart".into()) };
        assert_eq!(cart.label(), "shop.Cart");
    }

    #[test]
    fn special_floats_have_classes_of_their_own() {
        let values = [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300];
        let classes: std::collections::BTreeSet<_> = values.map(Class::float).into();
        assert_eq!(classes.len(), values.len());
    }

    proptest! {
        #[test]
        fn a_length_is_inside_the_bounds_of_its_class(len: u64) {
            let (low, high) = Class::sized(Kind::List, len).bounds().unwrap();
            prop_assert!(low <= len && len <= high);
        }

        #[test]
        fn codes_round_trip(kind in 1usize..16, detail: u8) {
            let class = Class { kind: Kind::ALL[kind], detail };
            prop_assert_eq!(Class::from_code(class.code()), class);
        }

        #[test]
        fn any_float_has_its_sign(value: f64) {
            let class = Class::float(value);
            prop_assert_eq!(class.is_negative(), value < 0.0);
            prop_assert_eq!(class.is_nan(), value.is_nan());
        }
    }
}
