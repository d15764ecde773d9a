//! Escaping for attribute values and character data (XML 1.0 §2.4); times and numbers as text.

use std::io::Write;

use jiff::Timestamp;

/// Appends `text`, escaped so that it may stand in a single- or double-quoted attribute or as content.
///
/// Characters that XML cannot hold are left out; tabs and line ends become references, so that an
/// attribute keeps them (XML 1.0 §3.3.3).
pub fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let special = |b: u8| {
        (b < 0x20) | (b == b'&') | (b == b'<') | (b == b'>') | (b == b'\'') | (b == b'"') | (b == 0xef)
    };
    // Without an early end the loop is done many bytes at a time.
    if !bytes.iter().fold(false, |found, &b| found | special(b)) {
        out.extend_from_slice(bytes);
        return;
    }
    for c in text.chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '\'' => out.extend_from_slice(b"&apos;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\t' => out.extend_from_slice(b"&#9;"),
            '\n' => out.extend_from_slice(b"&#10;"),
            '\r' => out.extend_from_slice(b"&#13;"),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// How many bytes [`escape`] makes of it.
pub fn escaped_len(text: &str) -> usize {
    let mut out = Vec::new();
    escape(&mut out, text);
    out.len()
}

/// Appends ` name='value'`, escaped.
pub fn attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape(out, value);
    out.push(b'\'');
}

/// Appends a time of RFC 3339 in UTC, as [`Timestamp`] displays it.
///
/// One stands in every delivery, and most are whole seconds: those are written digit by digit.
pub fn instant(out: &mut Vec<u8>, at: Timestamp) {
    let second = at.as_second();
    // From 1970 to 9999.
    if at.subsec_nanosecond() != 0 || !(0..253_402_300_800).contains(&second) {
        // Writing into memory does not fail.
        let _ = write!(out, "{at}");
        return;
    }
    let (day, of_day) = (second / 86_400, second % 86_400);
    // Days since 1 March of the year 0, whose months from March on have 153 days in five, over and over.
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00Z";
    let parts = [(2, year / 100), (4, year % 100), (7, month), (10, day)];
    let times = [(13, of_day / 3600), (16, of_day / 60 % 60), (19, of_day % 60)];
    for (end, number) in parts.into_iter().chain(times) {
        text[end - 2] = b'0' + (number / 10) as u8;
        text[end - 1] = b'0' + (number % 10) as u8;
    }
    out.extend_from_slice(&text);
}

/// Appends a number as lower-case hexadecimal digits, as few as there are.
pub fn hex(out: &mut String, number: u64) {
    let digits = (16 - number.leading_zeros() / 4).max(1);
    for digit in (0..digits).rev() {
        out.push(char::from(b"0123456789abcdef"[(number >> (digit * 4) & 15) as usize]));
    }
}

/// Appends text as it is.
pub fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_read_as_usual() {
        let mut seconds: Vec<i64> = (-2..3000).map(|step| step * 86_399 * 977).collect();
        let edges = ["2000-02-29T23:59:59Z", "2100-03-01T00:00:00Z", "9999-12-30T21:59:59Z"];
        seconds.extend(edges.map(|at| at.parse::<Timestamp>().unwrap().as_second()));
        let mut times: Vec<Timestamp> =
            seconds.into_iter().filter_map(|second| Timestamp::from_second(second).ok()).collect();
        times.push(Timestamp::from_millisecond(1_780_000_000_250).unwrap());
        for at in times {
            let mut out = Vec::new();
            instant(&mut out, at);
            assert_eq!(String::from_utf8(out).unwrap(), at.to_string());
        }
        for number in [0, 1, 15, 16, 255, 4096, 0xdead_beef, u64::MAX] {
            let mut out = String::new();
            hex(&mut out, number);
            assert_eq!(out, format!("{number:x}"));
        }
    }

    #[test]
    fn nothing_escapes_from_an_attribute() {
        let mut out = Vec::new();
        attribute(&mut out, "a", "x'\"<>&\n\u{1}é\u{ffff}");
        assert_eq!(String::from_utf8(out).unwrap(), " a='x&apos;&quot;&lt;&gt;&amp;&#10;é'");
        let mut out = Vec::new();
        escape(&mut out, "plain é");
        assert_eq!(out, "plain é".as_bytes());
    }
}
