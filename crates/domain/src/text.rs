//! Texts that others wrote, as people may read them.

/// Lines of a failure's tail.
const MOST_TAIL: usize = 40;
/// One line of a failure's tail, in bytes.
const LONGEST_TAIL_LINE: usize = 2 * 1024;

/// The last words of a failed step as a record keeps them: the newest lines, each clean and in bounds.
pub fn tail(lines: &[String]) -> Vec<String> {
    let from = lines.len().saturating_sub(MOST_TAIL);
    let kept = lines.iter().skip(from);
    kept.map(|line| clean(line, LONGEST_TAIL_LINE)).collect()
}

/// A text for people: without control characters (which move cursors), without those that turn the direction
/// of writing (which make a text read as another), and not longer than `longest` bytes.
pub fn clean(text: &str, longest: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(longest));
    for c in text.chars() {
        let c = if c == '\n' || c == '\t' { ' ' } else { c };
        if c.is_control() || turns_direction(c) {
            continue;
        }
        if cleaned.len() + c.len_utf8() > longest {
            break;
        }
        cleaned.push(c);
    }
    cleaned
}

fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
