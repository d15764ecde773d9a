//! From a story that fails to the shortest that still does.

use super::story::Story;

/// Leaves out whole kinds, then ever smaller pieces, while the story still fails in some way.
pub(crate) fn shrink(
    mut story: Story,
    why: &str,
    fails: impl Fn(Story) -> Option<String>,
) -> (Story, String) {
    let mut why = why.to_owned();
    let mut attempt = |story: &mut Story, keep: &dyn Fn(usize) -> bool| -> bool {
        let mut shorter = story.clone();
        let mut place = 0;
        shorter.events.retain(|_| {
            place += 1;
            keep(place - 1)
        });
        if shorter.events.len() == story.events.len() || shorter.events.is_empty() {
            return false;
        }
        let Some(reason) = fails(shorter.clone()) else { return false };
        *story = shorter;
        why = reason;
        true
    };
    let mut end = story.events.len();
    while end > 1 {
        end = end * 3 / 4;
        if !attempt(&mut story, &|place| place < end) {
            break;
        }
    }
    let mut kinds: Vec<&'static str> = story.events.iter().map(|event| event.act.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let others: Vec<bool> = story.events.iter().map(|event| event.act.kind() != kind).collect();
        attempt(&mut story, &|place| others[place]);
    }
    let mut size = story.events.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < story.events.len() {
            if !attempt(&mut story, &|place| place < start || place >= start + size) {
                start += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2).min(size - 1) };
    }
    (story, why)
}
