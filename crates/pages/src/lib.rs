//! Code shared by all pages for people: layout and style, forms with their errors, the session cookie, the
//! check whether a request is a person's own navigation, and the headers of every response.
//!
//! It has no pages, store or routes; those belong to the crates that serve pages. Nothing here knows what a
//! document is.

mod assets;
mod brand;
mod colour;
mod field;
mod headers;
mod mark;
mod navigation;
mod session_cookie;
mod site;

pub use assets::{icon, manifest, style};
pub use brand::{Brand, BrandError};
pub use field::{Field, FieldKind, Mistakes};
pub use headers::{FormTarget, guard, page};
pub use mark::Mark;
pub use navigation::{Navigation, navigation};
pub use session_cookie::SessionCookie;
pub use site::Site;
