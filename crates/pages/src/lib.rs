//! What all pages that a person sees share: the layout and its style, forms with their errors, the session's cookie,
//! whether a request is a person's own, and the headers that go with every answer.
//!
//! No page of its own, no store and no routes: those are the crates' that serve pages. Nothing here knows what a
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
