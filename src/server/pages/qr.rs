//! QR codes, drawn here: an activation code is nobody else's business.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qrcode::{Color, QrCode};
use std::fmt::Write as _;

/// Light modules around the code (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// A picture as a `data:` URL, dark on light whatever the page's colours are; `None` when the text
/// is too long for any code.
pub fn data_url(text: &str) -> Option<String> {
    let encoded = STANDARD.encode(svg(&QrCode::new(text).ok()?));
    Some(format!("data:image/svg+xml;base64,{encoded}"))
}

/// The same for a terminal: two modules for each character, light ones printed.
pub fn terminal(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let side = code.width() + 2 * QUIET;
    let mut lines = String::new();
    for row in (0..side).step_by(2) {
        for column in 0..side {
            let light = |row| row < side && !is_dark(&code, row, column);
            lines.push(match (light(row), light(row + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        lines.push('\n');
    }
    Some(lines)
}

fn svg(code: &QrCode) -> String {
    let side = code.width() + 2 * QUIET;
    let mut path = String::new();
    for row in 0..side {
        for column in (0..side).filter(|column| is_dark(code, row, *column)) {
            let _ = write!(path, "M{column} {row}h1v1h-1z");
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" \
         fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    )
}

/// Rows and columns count from the quiet zone's corner.
fn is_dark(code: &QrCode, row: usize, column: usize) -> bool {
    let inside = QUIET..QUIET + code.width();
    inside.contains(&row)
        && inside.contains(&column)
        && code[(column - QUIET, row - QUIET)] == Color::Dark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_with_its_three_corners_inside_a_quiet_zone() {
        let code = QrCode::new("duo://abcdefghij0123456789-YXBpLTAuZXhhbXBsZS5vcmc").unwrap();
        let last = QUIET + code.width() - 1;
        for (row, column) in [(QUIET, QUIET), (QUIET, last), (last, QUIET)] {
            assert!(is_dark(&code, row, column));
        }
        for at in [(QUIET - 1, QUIET), (QUIET, last + 1), (last + 1, QUIET)] {
            assert!(!is_dark(&code, at.0, at.1));
        }
        let drawn = svg(&code);
        assert!(drawn.contains("M4 4h1v1h-1z"), "{drawn}");
        let dark = code
            .to_colors()
            .iter()
            .filter(|c| **c == Color::Dark)
            .count();
        assert_eq!(drawn.matches("h1v1h-1z").count(), dark);
    }

    #[test]
    fn a_terminal_shows_every_module_and_a_text_too_long_is_told() {
        let drawn = terminal("duo://a").unwrap();
        let side = QrCode::new("duo://a").unwrap().width() + 2 * QUIET;
        assert!(drawn.lines().all(|line| line.chars().count() == side));
        assert_eq!(drawn.lines().count(), side.div_ceil(2));
        assert!(data_url(&"x".repeat(5000)).is_none());
    }
}
