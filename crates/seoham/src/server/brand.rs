//! The branding of the recipients' pages, as configured by the operator and checked at startup.

use std::path::Path;

use anyhow::{Context, Result};
use seoham_pages::Brand;

use crate::config::Config;

/// The brand of the pages.
pub(super) fn brand(config: &Config) -> Result<Brand> {
    let section = &config.brand;
    let mut brand = Brand::default();
    if let Some(name) = &section.name {
        brand = brand.named(name, section.name_en.as_deref())?;
    }
    if let Some(color) = &section.color {
        brand = brand.coloured(color)?;
    }
    if let Some(file) = &section.logo_file {
        brand = brand.with_logo(std::fs::read(file).with_context(|| name("logo_file", file))?)?;
    }
    let text = |member: &str, file: &Option<std::path::PathBuf>| -> Result<Option<String>> {
        let Some(file) = file else { return Ok(None) };
        let text = std::fs::read_to_string(file).with_context(|| name(member, file))?;
        Ok(Some(text.trim_start_matches('\u{feff}').trim().to_owned()))
    };
    let brand = brand
        .with_texts(text("terms_file", &section.terms_file)?, text("privacy_file", &section.privacy_file)?)?;
    Ok(brand.with_contact(section.contact.as_deref()))
}

fn name(member: &str, file: &Path) -> String {
    format!("brand.{member}: {} cannot be read", file.display())
}
