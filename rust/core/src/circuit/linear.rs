//! Affine maps of bit strings over GF(2): what circuits of CX, SWAP and X do to outcomes.

/// The map z -> A z + b over GF(2), for outcomes of at most 64 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinearMap {
    /// Column q of A: where bit q goes.
    columns: Vec<u64>,
    /// b.
    offset: u64,
}

impl LinearMap {
    /// The map that leaves every outcome as it is.
    pub fn identity(n_bits: usize) -> Self {
        Self { columns: (0..n_bits).map(|q| 1 << q).collect(), offset: 0 }
    }

    /// A map of words of `n_bits`, whose order it changes: words that differ in sums of the given ones
    /// come together.
    pub fn together(given: impl IntoIterator<Item = u64>, n_bits: usize) -> Self {
        let mut columns: Vec<u64> = Vec::with_capacity(n_bits);
        for word in given.into_iter().chain((0..n_bits).map(|q| 1 << q)) {
            // Without the highest bits of those before it: what is left of a sum of them is 0.
            let left = columns.iter().fold(word, |left, column| left.min(left ^ column));
            if left != 0 {
                columns.push(left);
            }
        }
        Self { columns, offset: 0 }
    }

    /// The map with these columns, which are independent. Where there is none, any that makes the map
    /// one that can be inverted.
    pub fn completed(columns: &[Option<u64>], offset: u64) -> Self {
        let mut known: Vec<u64> = Vec::with_capacity(columns.len());
        let mut is_new = |word: u64| {
            let left = known.iter().fold(word, |left, column| left.min(left ^ column));
            if left != 0 {
                known.push(left);
            }
            left != 0
        };
        for column in columns.iter().flatten() {
            assert!(is_new(*column), "independent columns");
        }
        // The bit itself, if it can be.
        let n = columns.len();
        let mut free = |q: usize| (q..n).chain(0..q).map(|q| 1 << q).find(|word| is_new(*word));
        let column = |(q, column): (usize, &Option<u64>)| {
            column.unwrap_or_else(|| free(q).expect("as many words as bits"))
        };
        Self { columns: columns.iter().enumerate().map(column).collect(), offset }
    }

    /// Bits of the outcomes that it maps.
    pub fn n_bits(&self) -> usize {
        self.columns.len()
    }

    /// Follows this map by a NOT of bit `q`.
    pub fn flip(&mut self, q: usize) {
        self.offset ^= 1 << q;
    }

    /// Follows this map by a controlled NOT.
    pub fn add(&mut self, control: usize, target: usize) {
        for word in self.columns.iter_mut().chain([&mut self.offset]) {
            *word ^= (*word >> control & 1) << target;
        }
    }

    /// Where outcome `z` goes.
    pub fn apply(&self, z: u64) -> u64 {
        self.offset ^ self.linear(z)
    }

    /// A z, without the offset.
    pub fn linear(&self, mut z: u64) -> u64 {
        let mut image = 0;
        while z != 0 {
            image ^= self.columns[z.trailing_zeros() as usize];
            z &= z - 1;
        }
        image
    }

    /// This map followed by another.
    pub fn then(&self, next: &Self) -> Self {
        let columns = self.columns.iter().map(|column| next.linear(*column)).collect();
        Self { columns, offset: next.apply(self.offset) }
    }

    /// Where every outcome goes, for at most 32 bits.
    pub fn outcomes(&self) -> Vec<u32> {
        let mut outcomes = vec![self.offset as u32];
        for (q, column) in self.columns.iter().enumerate() {
            outcomes.extend_from_within(..);
            outcomes[1 << q..].iter_mut().for_each(|z| *z ^= *column as u32);
        }
        outcomes
    }

    /// `A^T S` for every set S of bits after the map, for at most 32 bits: the bits before it whose
    /// parity, but for the offset, is that of the bits in S.
    pub fn parities(&self) -> Vec<u32> {
        let n = self.columns.len();
        let row = |j: usize| {
            let bits = self.columns.iter().enumerate();
            bits.fold(0, |row, (q, column)| row | (column >> j & 1) << q)
        };
        Self { columns: (0..n).map(row).collect(), offset: 0 }.outcomes()
    }

    /// Bits that may end with another value than they had.
    pub fn moved(&self) -> u64 {
        self.columns.iter().enumerate().fold(self.offset, |mask, (q, c)| mask | (c ^ 1 << q))
    }

    /// Bits that the map changes or whose value decides what it changes.
    pub fn read(&self) -> u64 {
        let controls = self.columns.iter().enumerate().filter(|(q, c)| **c != 1 << q);
        controls.fold(self.moved(), |mask, (q, _)| mask | 1 << q)
    }

    /// The map of outcomes whose bit i is bit `order[i]` of what this map takes.
    pub fn permuted(&self, order: &[usize]) -> Self {
        Self { columns: order.iter().map(|q| self.columns[*q]).collect(), offset: self.offset }
    }

    /// The map that undoes this one.
    pub fn inverse(&self) -> Self {
        let n = self.columns.len();
        let mut left = self.columns.clone();
        let mut inverse = Self::identity(n).columns;
        // Gauss-Jordan elimination on columns; A is invertible, being a product of invertible maps.
        for row in 0..n {
            let pivot = (row..n).find(|&q| left[q] >> row & 1 == 1).expect("an invertible map");
            left.swap(row, pivot);
            inverse.swap(row, pivot);
            for q in 0..n {
                if q != row && left[q] >> row & 1 == 1 {
                    left[q] ^= left[row];
                    inverse[q] ^= inverse[row];
                }
            }
        }
        let mut map = Self { columns: inverse, offset: 0 };
        map.offset = map.linear(self.offset);
        map
    }
}

/// A CX or an X, as what it does to outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// A NOT of a bit.
    Flip(usize),
    /// A controlled NOT: control, target.
    Add(usize, usize),
}

/// Moves one after the other, and the map that they make together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relabelling {
    moves: Vec<Move>,
    map: LinearMap,
}

impl Relabelling {
    /// One move on outcomes of `n_bits`.
    pub fn of(n_bits: usize, first: Move) -> Self {
        let mut relabelling = Self { moves: vec![], map: LinearMap::identity(n_bits) };
        relabelling.push(first);
        relabelling
    }

    /// Moves that make a map.
    pub fn from_map(map: LinearMap) -> Self {
        let mut left = LinearMap { offset: 0, ..map.clone() };
        let mut moves = Vec::new();
        // Gauss-Jordan elimination on rows: each column becomes its bit.
        for q in 0..map.n_bits() {
            let mut undo = |left: &mut LinearMap, control: usize, target: usize| {
                left.add(control, target);
                moves.push(Move::Add(control, target));
            };
            if left.columns[q] >> q & 1 == 0 {
                let above = left.columns[q] >> q << q;
                undo(&mut left, above.trailing_zeros() as usize, q);
            }
            for target in (0..map.n_bits()).filter(|target| *target != q) {
                if left.columns[q] >> target & 1 == 1 {
                    undo(&mut left, q, target);
                }
            }
        }
        moves.reverse();
        let flips = (0..map.n_bits()).filter(|q| map.offset >> q & 1 == 1);
        moves.extend(flips.map(Move::Flip));
        Self { moves, map }
    }

    fn push(&mut self, next: Move) {
        self.moves.push(next);
        match next {
            Move::Flip(q) => self.map.flip(q),
            Move::Add(control, target) => self.map.add(control, target),
        }
    }

    /// Follows these moves by others.
    pub fn extend(&mut self, others: &Self) {
        others.moves.iter().for_each(|m| self.push(*m));
    }

    /// The moves in order.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// What they do together.
    pub fn map(&self) -> &LinearMap {
        &self.map
    }

    /// The same with other numbers for the bits.
    pub fn renumbered(&self, number: impl Fn(usize) -> usize) -> Self {
        let mut result = Self { moves: vec![], map: LinearMap::identity(self.map.n_bits()) };
        for m in &self.moves {
            result.push(match *m {
                Move::Flip(q) => Move::Flip(number(q)),
                Move::Add(control, target) => Move::Add(number(control), number(target)),
            });
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_cx_is_a_prefix_xor_and_inverts() {
        let mut map = LinearMap::identity(5);
        for q in 0..4 {
            map.add(q, q + 1);
        }
        map.flip(2);
        let inverse = map.inverse();
        for z in 0..32u64 {
            let mut expected = z;
            for q in 0..4 {
                expected ^= (expected >> q & 1) << (q + 1);
            }
            assert_eq!(map.apply(z), expected ^ 4);
            assert_eq!(inverse.apply(map.apply(z)), z);
        }
    }

    #[test]
    fn words_that_differ_in_given_ones_come_together() {
        let given = [0b11010, 0, 0b00110, 0b11100];
        let order = LinearMap::together(given, 5);
        // The third is the sum of the others, so there are four words in each group.
        let words: Vec<u64> = (0..32).map(|i| order.apply(i)).collect();
        for group in words.chunks(4) {
            for word in given {
                assert!(group.iter().all(|w| group.contains(&(w ^ word))));
            }
        }
        let mut sorted = words.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..32).collect::<Vec<_>>());
    }

    #[test]
    fn a_control_is_read_but_not_moved() {
        let mut map = LinearMap::identity(4);
        map.add(3, 1);
        assert_eq!((map.moved(), map.read()), (0b0010, 0b1010));
    }
}
