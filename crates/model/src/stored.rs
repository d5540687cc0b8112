//! Values that a store keeps as an integer.

/// A value that every store keeps as the same integer. An unknown integer was written by a newer program or
/// is damage; it is never read as a default.
pub trait StoredNumber: Copy {
    /// The stored integer.
    fn as_number(self) -> i64;

    /// The value of a stored integer; `None` if it is unknown.
    fn from_number(number: i64) -> Option<Self>;
}

/// One of a few values, each with the number that stores keep and a name.
pub trait NamedNumber: Copy + PartialEq + 'static {
    /// All values, with their numbers and names.
    const ALL: &'static [(Self, i64, &'static str)];

    /// The name that an operator sees.
    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(value, ..)| *value == self);
        found.map(|(.., name)| *name).expect("the table has all values")
    }

    /// The value with a name; `None` if it is unknown.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(.., known)| *known == name).map(|(value, ..)| *value)
    }
}

impl<T: NamedNumber> StoredNumber for T {
    fn as_number(self) -> i64 {
        let found = Self::ALL.iter().find(|(value, ..)| *value == self);
        found.map(|(_, number, _)| *number).expect("the table has all values")
    }

    fn from_number(number: i64) -> Option<Self> {
        Self::ALL.iter().find(|(_, n, _)| *n == number).map(|(value, ..)| *value)
    }
}
