//! Rows close to each other, found by a number: a million of them are neither a million allocations nor a
//! table that is half empty.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// What has a number of its own, which the store handed out, or which is a hash: nobody gains by choosing it to
/// collide.
pub(super) trait Numbered {
    /// It.
    fn number(&self) -> u64;
}

/// Where no row lies.
pub(super) const NOWHERE: u32 = u32::MAX;

/// See the module. A row keeps its place as long as it is there; then another one may have it.
#[derive(Debug)]
pub(super) struct Rows<T> {
    rows: Vec<Option<T>>,
    places: HashTable<u32>,
    free: Vec<u32>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { rows: Vec::new(), places: HashTable::new(), free: Vec::new() }
    }
}

impl<T: Numbered> Rows<T> {
    /// The row of this number.
    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.at(*self.places.find(hash(number), |place| has(&self.rows, *place, number))?)
    }

    /// Where the row of this number lies.
    pub(super) fn place_of(&self, number: u64) -> Option<u32> {
        self.places.find(hash(number), |place| has(&self.rows, *place, number)).copied()
    }

    /// The row of this number, which lay at this place when it was seen last, or nowhere that is known.
    pub(super) fn near(&self, place: u32, number: u64) -> Option<&T> {
        match self.at(place) {
            Some(row) if row.number() == number => Some(row),
            _ => self.get(number),
        }
    }

    /// The row at this place.
    pub(super) fn at(&self, place: u32) -> Option<&T> {
        self.rows.get(place as usize)?.as_ref()
    }

    /// The row at this place, to be changed; its number is to stay.
    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut T> {
        self.rows.get_mut(place as usize)?.as_mut()
    }

    /// Behind the last place that a row ever had.
    pub(super) fn end(&self) -> u32 {
        self.rows.len() as u32
    }

    /// All of them, to be changed; their numbers are to stay.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.iter_mut().flatten()
    }

    /// Takes a row in, and says where it is. There must be none of its number.
    pub(super) fn insert(&mut self, row: T) -> u32 {
        let number = row.number();
        let place = match self.free.pop() {
            Some(place) => place,
            // A row is dozens of bytes: memory ends long before the numbers.
            None => {
                grow(&mut self.rows);
                self.rows.push(None);
                (self.rows.len() - 1) as u32
            }
        };
        self.rows[place as usize] = Some(row);
        let rows = &self.rows;
        let number_at = |place: &u32| rows[*place as usize].as_ref().map_or(0, Numbered::number);
        self.places.insert_unique(hash(number), place, |place| hash(number_at(place)));
        place
    }

    /// Takes the row of this number out; says where it was.
    pub(super) fn remove(&mut self, number: u64) -> Option<(u32, T)> {
        let found = self.places.find_entry(hash(number), |place| has(&self.rows, *place, number)).ok()?;
        let (place, _) = found.remove();
        let row = self.rows[place as usize].take()?;
        self.free.push(place);
        Some((place, row))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

/// Makes room for one more, and for an eighth of what is there: twice as much would be empty for long.
pub(super) fn grow<T>(rows: &mut Vec<T>) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact(rows.len() / 8 + 16);
    }
}

fn has<T: Numbered>(rows: &[Option<T>], place: u32, number: u64) -> bool {
    rows[place as usize].as_ref().is_some_and(|row| row.number() == number)
}

fn hash(number: u64) -> u64 {
    FxBuildHasher.hash_one(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Numbered for (u64, &'static str) {
        fn number(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn rows_are_found_until_they_go_and_their_places_are_taken_again() {
        let mut rows = Rows::default();
        for number in 1..=1000 {
            assert_eq!(rows.insert((number * 7, "a")), number as u32 - 1);
        }
        assert_eq!(rows.remove(70), Some((9, (70, "a"))));
        assert_eq!((rows.remove(70), rows.get(70), rows.at(9)), (None, None, None));
        assert_eq!(rows.insert((1, "b")), 9);
        assert_eq!((rows.get(1), rows.at(9)), (Some(&(1, "b")), Some(&(1, "b"))));
        assert!((1..=1000).filter(|n| *n != 10).all(|n| rows.get(n * 7).is_some()));
        assert_eq!((rows.len(), rows.get(8)), (1000, None));
        assert_eq!(rows.near(9, 1), Some(&(1, "b")));
        assert_eq!(rows.near(9, 70), None, "another one lies there now");
        for place in [9, 2000, NOWHERE] {
            assert_eq!(rows.near(place, 7), Some(&(7, "a")), "it is found wherever it lies");
        }
    }
}
