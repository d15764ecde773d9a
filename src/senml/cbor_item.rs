//! CBOR data items (RFC 8949), as far as a pack has them: strict about well-formedness, never recursive,
//! never reserving what a length merely claims.

use super::error::Reason;

/// What is wrong with the octets, before it is known which record it is in.
pub(super) struct Broken(pub(super) Reason, pub(super) &'static str);

impl Broken {
    /// Whether more octets could mend it.
    pub(super) fn is_short(&self) -> bool {
        self.1 == SHORT.1
    }
}

/// The head of a data item (RFC 8949 §3). `None` as a length: indefinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Head {
    /// Major type 0.
    Unsigned(u64),
    /// Major type 1: stands for -1 - n.
    Negative(u64),
    /// Major type 2.
    Bytes(Option<u64>),
    /// Major type 3.
    Text(Option<u64>),
    /// Major type 4.
    Array(Option<u64>),
    /// Major type 5: pairs.
    Map(Option<u64>),
    /// Major type 6.
    Tag(u64),
    /// A floating point number of any size.
    Float(f64),
    /// A simple value; 20 is false, 21 true, 22 null.
    Simple(u8),
    /// The end of an indefinite item.
    Break,
}

/// A place in CBOR octets.
#[derive(Clone)]
pub(super) struct Items<'a> {
    pub(super) octets: &'a [u8],
    pub(super) at: usize,
}

const SHORT: Broken = Broken(Reason::Malformed, "the octets end within an item");

impl<'a> Items<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    pub(super) fn at_end(&self) -> bool {
        self.at >= self.octets.len()
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Broken> {
        let rest = &self.octets[self.at..];
        let length = usize::try_from(length).ok().filter(|length| *length <= rest.len()).ok_or(SHORT)?;
        self.at += length;
        Ok(&rest[..length])
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let taken = self.octets[self.at..].first_chunk::<N>().ok_or(SHORT)?;
        self.at += N;
        Ok(*taken)
    }

    /// The next head.
    #[inline]
    pub(super) fn head(&mut self) -> Result<Head, Broken> {
        let first = *self.octets.get(self.at).ok_or(SHORT)?;
        self.at += 1;
        let (major, information) = (first >> 5, first & 31);
        if first < 24 {
            // Most labels, and no argument to read.
            return Ok(Head::Unsigned(u64::from(first)));
        }
        let argument = match information {
            0..=23 => u64::from(information),
            24 => u64::from(self.fixed::<1>()?[0]),
            25 => u64::from(u16::from_be_bytes(self.fixed()?)),
            26 => u64::from(u32::from_be_bytes(self.fixed()?)),
            27 => u64::from_be_bytes(self.fixed()?),
            31 if matches!(major, 2..=5 | 7) => 0,
            _ => return Err(Broken(Reason::Malformed, "a reserved head")),
        };
        let length = Some(argument).filter(|_| information != 31);
        Ok(match major {
            0 => Head::Unsigned(argument),
            1 => Head::Negative(argument),
            2 => Head::Bytes(length),
            3 => Head::Text(length),
            4 => Head::Array(length),
            5 => Head::Map(length),
            6 => Head::Tag(argument),
            _ => match information {
                0..=23 => Head::Simple(information),
                24 if argument < 32 => return Err(Broken(Reason::Malformed, "a simple value in long form")),
                24 => Head::Simple(argument as u8),
                25 => Head::Float(half(argument as u16)),
                26 => Head::Float(f64::from(f32::from_bits(argument as u32))),
                27 => Head::Float(f64::from_bits(argument)),
                _ => Head::Break,
            },
        })
    }

    /// The octets of a byte string of definite length.
    pub(super) fn bytes(&mut self, length: u64) -> Result<&'a [u8], Broken> {
        self.take(length)
    }

    /// The text of a text string of definite length.
    #[inline]
    pub(super) fn text(&mut self, length: u64) -> Result<&'a str, Broken> {
        let octets = self.take(length)?;
        std::str::from_utf8(octets).map_err(|_| Broken(Reason::Malformed, "text that is not UTF-8"))
    }

    /// Passes over the rest of the item that this head begins.
    pub(super) fn skip(&mut self, head: Head, depth: usize) -> Result<(), Broken> {
        let mut scan = Scan::new(depth);
        let mut done = scan.head(self, head)?;
        while !done {
            let head = self.head()?;
            done = scan.head(self, head)?;
        }
        Ok(())
    }
}

/// Where a walk over one data item stands; it can be interrupted between two heads.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    /// For each open level the items still to come.
    open: Vec<Level>,
    depth: usize,
}

#[derive(Clone, Copy, Debug)]
enum Level {
    /// This many items.
    Count(u64),
    /// Items up to a break; for a map, whether a key came last.
    Items { map: bool, odd: bool },
    /// Chunks of a string of indefinite length.
    Chunks { text: bool },
}

impl Scan {
    pub(super) fn new(depth: usize) -> Self {
        Self { open: Vec::new(), depth }
    }

    /// Takes one head, with the content of strings. Gives whether the item is complete.
    pub(super) fn head(&mut self, items: &mut Items<'_>, head: Head) -> Result<bool, Broken> {
        const STRAY: Broken = Broken(Reason::Malformed, "a break, or a chunk, out of place");
        if let Some(Level::Chunks { text }) = self.open.last() {
            match (head, *text) {
                (Head::Break, _) | (Head::Text(Some(_)), true) | (Head::Bytes(Some(_)), false) => {}
                _ => return Err(STRAY),
            }
        }
        match head {
            Head::Break => match self.open.pop() {
                Some(Level::Items { map: true, odd: true } | Level::Count(_)) | None => return Err(STRAY),
                Some(_) => {}
            },
            Head::Bytes(Some(length)) => {
                items.bytes(length)?;
            }
            Head::Text(Some(length)) => {
                items.text(length)?;
            }
            Head::Bytes(None) => return self.push(Level::Chunks { text: false }),
            Head::Text(None) => return self.push(Level::Chunks { text: true }),
            Head::Array(None) => return self.push(Level::Items { map: false, odd: false }),
            Head::Map(None) => return self.push(Level::Items { map: true, odd: false }),
            Head::Tag(_) => return self.push(Level::Count(1)),
            Head::Array(Some(0)) | Head::Map(Some(0)) => {}
            Head::Array(Some(count)) => return self.push(Level::Count(count)),
            Head::Map(Some(pairs)) => {
                let count = pairs.checked_mul(2).ok_or(SHORT)?;
                return self.push(Level::Count(count));
            }
            Head::Unsigned(_) | Head::Negative(_) | Head::Float(_) | Head::Simple(_) => {}
        }
        // An item is complete: so may be those that it was the last of.
        loop {
            match self.open.last_mut() {
                None => return Ok(true),
                Some(Level::Count(1)) => {
                    self.open.pop();
                }
                Some(Level::Count(count)) => {
                    *count -= 1;
                    return Ok(false);
                }
                Some(Level::Items { odd, .. }) => {
                    *odd = !*odd;
                    return Ok(false);
                }
                Some(Level::Chunks { .. }) => return Ok(false),
            }
        }
    }

    fn push(&mut self, level: Level) -> Result<bool, Broken> {
        if self.open.len() >= self.depth {
            return Err(Broken(Reason::TooDeep, "too many levels"));
        }
        self.open.push(level);
        Ok(false)
    }
}

/// A half precision number (RFC 8949 Appendix D).
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}
