//! Draws the report: every ratio as a bar, with a mark at the required value.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::figures::Figure;

const ROW_PIXELS: i32 = 24;
const LEFT_PIXELS: i32 = 560;
const BAR_PIXELS: i32 = 420;
/// The ratio that fills the width; a larger one is cut off and shown as a number.
const FULL: f64 = 1.5;

pub(crate) fn draw(file: &Path, figures: &[Figure]) -> Result<()> {
    let bars: Vec<&Figure> = figures.iter().filter(|f| f.beside.is_some()).collect();
    let height = ROW_PIXELS * (i32::try_from(bars.len())? + 2);
    let width = LEFT_PIXELS + BAR_PIXELS + 120;
    let area = SVGBackend::new(file, (u32::try_from(width)?, u32::try_from(height)?)).into_drawing_area();
    paint(&area, &bars).map_err(|error| anyhow!("the chart: {error}"))?;
    area.present().map_err(|error| anyhow!("the chart: {error}"))
}

fn paint<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    bars: &[&Figure],
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    area.fill(&WHITE)?;
    let font = ("sans-serif", 13).into_font();
    let one = LEFT_PIXELS + pixels(1.0);
    let title = "Seoham beside what it is measured against in the same run (1 = equal)";
    area.draw(&Text::new(title, (8, 6), font.clone()))?;
    for (row, figure) in (1i32..).zip(bars) {
        let Some(beside) = &figure.beside else { continue };
        let top = ROW_PIXELS * row + 4;
        let fill = match &figure.demanded {
            Some(demand) if !demand.holds => RGBColor(200, 60, 40),
            Some(_) => RGBColor(40, 120, 80),
            None => RGBColor(90, 120, 170),
        };
        area.draw(&Text::new(format!("{}: {}", figure.store, figure.what), (8, top + 2), font.clone()))?;
        let end = LEFT_PIXELS + pixels(beside.ratio);
        area.draw(&Rectangle::new([(LEFT_PIXELS, top), (end, top + ROW_PIXELS - 8)], fill.filled()))?;
        let reported = format!("{:.2} of {}", beside.ratio, beside.what);
        area.draw(&Text::new(reported, (end + 6, top + 2), font.clone()))?;
    }
    let bottom = ROW_PIXELS * (i32::try_from(bars.len()).unwrap_or(0) + 1);
    area.draw(&PathElement::new([(one, ROW_PIXELS), (one, bottom)], BLACK.mix(0.5)))
}

#[allow(clippy::cast_possible_truncation, reason = "at most the width of the bars")]
fn pixels(ratio: f64) -> i32 {
    (ratio.clamp(0.0, FULL) / FULL * f64::from(BAR_PIXELS)) as i32
}
