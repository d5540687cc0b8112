//! Values that a store keeps as an integer.

/// A value that every store keeps as the same integer. An unknown integer was written by a newer program or
/// is damage; it is never read as a default.
pub trait StoredNumber: Copy {
    /// The stored integer.
    fn as_number(self) -> i64;

    /// The value of a stored integer; `None` if it is unknown.
    fn from_number(number: i64) -> Option<Self>;
}
