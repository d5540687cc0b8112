//! `common_categories` (SPEC 4).

use serde::{Deserialize, Serialize};

/// A category of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Category {
    /// `Default`
    Default = 1,
    /// `BILL`
    Bill = 1 << 1,
    /// `BILL_PAY`: its button is 문서확인후 납부
    BillPay = 1 << 2,
    /// `NOTICE`
    Notice = 1 << 3,
    /// `CONTRACT`
    Contract = 1 << 4,
    /// `REPORT`
    Report = 1 << 5,
}

const NAMES: [(Category, &str); 6] = [
    (Category::Default, "Default"),
    (Category::Bill, "BILL"),
    (Category::BillPay, "BILL_PAY"),
    (Category::Notice, "NOTICE"),
    (Category::Contract, "CONTRACT"),
    (Category::Report, "REPORT"),
];

impl Category {
    /// Parses a category name, ignoring case.
    pub fn parse(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(c, _)| *c)
    }
}

/// A set of categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Categories(u8);

impl Categories {
    /// Adds `category`.
    pub fn insert(&mut self, category: Category) {
        self.0 |= category as u8;
    }

    /// Whether `category` is in the set.
    pub fn contains(self, category: Category) -> bool {
        self.0 & category as u8 != 0
    }

    /// Whether the set is empty.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The names as the contract spells them.
    pub fn names(self) -> Vec<&'static str> {
        NAMES.iter().filter(|(c, _)| self.contains(*c)).map(|(_, n)| *n).collect()
    }

    /// The label of the button that the box shows for these categories.
    pub fn button(self) -> &'static str {
        if self.contains(Category::BillPay) { "문서확인후 납부" } else { "문서확인" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_is_free() {
        assert_eq!(Category::parse("bill_Pay"), Some(Category::BillPay));
        assert_eq!(Category::parse("DEFAULT"), Some(Category::Default));
        assert_eq!(Category::parse("bills"), None);
    }

    #[test]
    fn paying_changes_the_button() {
        let mut set = Categories::default();
        assert_eq!(set.button(), "문서확인");
        set.insert(Category::BillPay);
        set.insert(Category::Notice);
        assert_eq!(set.button(), "문서확인후 납부");
        assert_eq!(set.names(), ["BILL_PAY", "NOTICE"]);
    }
}
