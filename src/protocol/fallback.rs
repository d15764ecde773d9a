//! What of a message's body its sender wrote, where a client put what it answers before it for those that do not know
//! replies (XEP-0461 with XEP-0428).

use minidom::Element;

const FALLBACK: &str = "urn:xmpp:fallback:0";
const REPLY: &str = "urn:xmpp:reply:0";

/// The most ranges that are looked at.
const RANGES_MAX: usize = 16;

/// The body without what stands there only as a fallback for replies.
pub fn own_words(stanza: &Element, body: &str) -> String {
    let ranges: Vec<(usize, usize)> = stanza
        .children()
        .filter(|child| child.is("fallback", FALLBACK) && child.attr("for") == Some(REPLY))
        .flat_map(Element::children)
        .filter(|child| child.is("body", FALLBACK))
        .filter_map(|range| {
            let place = |name| range.attr(name).map(str::parse::<usize>);
            match (place("start"), place("end")) {
                (Some(Ok(start)), Some(Ok(end))) => Some((start, end)),
                // Without places it would be all of it: what is said then is read as it stands.
                _ => None,
            }
        })
        .take(RANGES_MAX)
        .collect();
    if ranges.is_empty() {
        return body.to_owned();
    }
    // Places count characters (XEP-0426), an end is not included.
    let is_own = |place: usize| !ranges.iter().any(|(start, end)| (*start..*end).contains(&place));
    body.chars().enumerate().filter(|(place, _)| is_own(*place)).map(|(_, c)| c).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fallbacks: &str, body: &str) -> String {
        let stanza: Element =
            format!("<message xmlns='jabber:component:accept'><body/>{fallbacks}</message>").parse().unwrap();
        own_words(&stanza, body)
    }

    #[test]
    fn what_a_client_put_before_it_is_left_out() {
        let reply = |range: &str| {
            format!("<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body {range}/></fallback>")
        };
        assert_eq!(of(&reply("start='0' end='10'"), "> été 4f7a\nstop 4f7a"), "\nstop 4f7a");
        assert_eq!(of(&reply("start='10' end='99'"), "stop 4f7a > yes"), "stop 4f7a ");
        assert_eq!(of(&(reply("start='0' end='1'") + &reply("start='2' end='3'")), "abcd"), "bd");
        for odd in ["", "start='0'", "start='-1' end='3'", "start='3' end='1'", "start='x' end='y'"] {
            assert_eq!(of(&reply(odd), "stop 4f7a"), "stop 4f7a", "{odd}");
        }
        let other =
            "<fallback xmlns='urn:xmpp:fallback:0' for='jabber:x:oob'><body start='0' end='4'/></fallback>";
        assert_eq!(of(other, "stop 4f7a"), "stop 4f7a");
    }
}
