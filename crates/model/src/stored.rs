//! Values that a store keeps as a whole number.

/// A value that every store keeps as the same whole number. A number that means nothing here was written by a newer
/// program or is damage; it is never read as a default.
pub trait StoredNumber: Copy {
    /// The number.
    fn as_number(self) -> i64;

    /// What was kept as `number`; `None` for one that means nothing here.
    fn from_number(number: i64) -> Option<Self>;
}
