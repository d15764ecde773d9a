//! Where items lie: rows that never move, in pieces, found by their hash through an index in parts, so that neither
//! grows at once.

use std::hash::BuildHasher;
use std::num::NonZeroU64;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::Known;

/// Parts of the index: each grows in a moment.
const PARTS: usize = 64;

/// Rows of one piece.
const PIECE: usize = 1 << PIECE_BITS;
const PIECE_BITS: u32 = 11;

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    pieces: Vec<Vec<Option<Known>>>,
    /// Places that are empty, but for those behind the last row.
    free: Vec<u32>,
    index: Vec<HashTable<u32>>,
    count: usize,
}

impl Table {
    pub(super) fn new() -> Self {
        let index = (0..PARTS).map(|_| HashTable::new()).collect();
        Table { pieces: Vec::new(), free: Vec::new(), index, count: 0 }
    }

    /// Makes room for so many more at once.
    pub(super) fn reserve(&mut self, more: usize) {
        let again = |place: &u32| row(&self.pieces, *place).map_or(0, |known| hash(known.item));
        // They do not fall into the parts evenly.
        let each = more / PARTS + more / PARTS / 16;
        self.index.iter_mut().for_each(|part| part.reserve(each, again));
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Behind the last place that a row ever had.
    pub(super) fn end(&self) -> u32 {
        let last = self.pieces.last().map_or(PIECE, Vec::len);
        (self.pieces.len() * PIECE + last - PIECE) as u32
    }

    /// Where an item lies.
    pub(super) fn find(&self, id: NonZeroU64) -> Option<u32> {
        let is_it = |place: &u32| row(&self.pieces, *place).is_some_and(|known| known.item == id);
        self.index[part(id)].find(hash(id), is_it).copied()
    }

    pub(super) fn at(&self, place: u32) -> Option<&Known> {
        row(&self.pieces, place)
    }

    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Known> {
        self.pieces.get_mut(place as usize >> PIECE_BITS)?.get_mut(place as usize % PIECE)?.as_mut()
    }

    /// Takes an item in that is not there, and says where it lies.
    pub(super) fn insert(&mut self, known: Known) -> u32 {
        let id = known.item;
        let place = match self.free.pop() {
            Some(place) => place,
            None => self.grow(),
        };
        self.pieces[place as usize >> PIECE_BITS][place as usize % PIECE] = Some(known);
        let pieces = &self.pieces;
        let again = |place: &u32| row(pieces, *place).map_or(0, |known| hash(known.item));
        self.index[part(id)].insert_unique(hash(id), place, again);
        self.count += 1;
        place
    }

    fn grow(&mut self) -> u32 {
        let place = self.end();
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(None),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(None);
                self.pieces.push(piece);
            }
        }
        place
    }

    /// Takes the item out that lies there. Where none is left all room is given back.
    pub(super) fn remove(&mut self, place: u32) {
        let Some(id) = self.at(place).map(|known| known.item) else { return };
        if let Ok(found) = self.index[part(id)].find_entry(hash(id), |other| *other == place) {
            found.remove();
        }
        if let Some(row) = self.pieces[place as usize >> PIECE_BITS].get_mut(place as usize % PIECE) {
            *row = None;
        }
        self.free.push(place);
        self.count -= 1;
        if self.count == 0 {
            *self = Table::new();
        }
    }
}

fn row(pieces: &[Vec<Option<Known>>], place: u32) -> Option<&Known> {
    pieces.get(place as usize >> PIECE_BITS)?.get(place as usize % PIECE)?.as_ref()
}

fn part(id: NonZeroU64) -> usize {
    (id.get() >> (u64::BITS - PARTS.trailing_zeros())) as usize
}

fn hash(id: NonZeroU64) -> u64 {
    FxBuildHasher.hash_one(id.get())
}
