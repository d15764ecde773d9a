//! Parts of long lists (XEP-0059).

use minidom::Element;

use super::error::{Condition, StanzaError};
use super::ns;
use super::text::{attribute, escape, raw};

/// Which part is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many.
    pub max: Option<usize>,
    /// What comes after this one.
    pub after: Option<String>,
    /// What comes before this one; the last page if it is empty.
    pub before: Option<String>,
}

impl Page {
    /// Reads the `<set/>` among the children, if there is one.
    pub fn read(parent: &Element) -> Result<Option<Self>, StanzaError> {
        let Some(set) = parent.get_child("set", ns::RSM) else { return Ok(None) };
        let text = |name| set.get_child(name, ns::RSM).map(Element::text);
        if set.has_child("index", ns::RSM) {
            let text = "pages are not found by their index; go on from after the last one (XEP-0059)";
            let french =
                "les pages ne se trouvent pas par leur index ; continuez après la dernière (XEP-0059)";
            return Err(StanzaError::new(Condition::FeatureNotImplemented, text).or_in_french(french));
        }
        let max = match text("max") {
            // More than can be counted is all there is.
            Some(digits) if digits.len() > 18 && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Some(usize::MAX)
            }
            Some(number) => Some(number.trim().parse().map_err(|_| {
                let number: String = number.chars().take(50).collect();
                StanzaError::new(Condition::BadRequest, format!("max '{number}' is no number (XEP-0059)"))
                    .or_in_french(format!("max « {number} » n’est pas un nombre (XEP-0059)"))
            })?),
            None => None,
        };
        Ok(Some(Page { max, after: text("after").filter(|id| !id.is_empty()), before: text("before") }))
    }
}

/// Appends the `<set/>` of an answer.
pub fn write(out: &mut Vec<u8>, first: Option<(&str, usize)>, last: Option<&str>, count: usize) {
    write_known(out, first.map(|(id, index)| (id, Some(index))), last, Some(count));
}

/// The same as far as it is known: where a page begins in the list, and how long that is, may cost more to find out
/// than the page.
pub fn write_known(
    out: &mut Vec<u8>,
    first: Option<(&str, Option<usize>)>,
    last: Option<&str>,
    count: Option<usize>,
) {
    raw(out, "<set xmlns='");
    raw(out, ns::RSM);
    raw(out, "'>");
    if let Some((id, index)) = first {
        raw(out, "<first");
        if let Some(index) = index {
            attribute(out, "index", &index.to_string());
        }
        raw(out, ">");
        escape(out, id);
        raw(out, "</first>");
    }
    if let Some(id) = last {
        raw(out, "<last>");
        escape(out, id);
        raw(out, "</last>");
    }
    if let Some(count) = count {
        raw(out, "<count>");
        raw(out, &count.to_string());
        raw(out, "</count>");
    }
    raw(out, "</set>");
}
