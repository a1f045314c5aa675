//! Bit strings packed into words. Qubit i is bit i, qubit 0 the least significant; bit 0 is the
//! weight +1, bit 1 the weight -1.

use crate::error::{Error, Result};

/// Rows of bits, each packed into `words_per_row` 64-bit words; unused high bits are zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedBits {
    n_bits: usize,
    words_per_row: usize,
    words: Vec<u64>,
}

/// The lowest bit of each byte.
const LOWEST_BITS: u64 = 0x0101_0101_0101_0101;
/// A product with it has the lowest bits of eight bytes in its highest byte, the first one lowest.
const GATHER: u64 = 0x0102_0408_1020_4080;

impl PackedBits {
    /// Packs row-major bytes of shape (rows, n_bits), each 0 or 1.
    pub fn from_bytes(argument: &'static str, bytes: &[u8], n_bits: usize) -> Result<Self> {
        if n_bits == 0 || !bytes.len().is_multiple_of(n_bits) {
            return Err(Error::invalid(
                argument,
                format!("rows of {n_bits} bits (at least 1)"),
                format!("{} values", bytes.len()),
            ));
        }
        let words_per_row = n_bits.div_ceil(64);
        let mut words = vec![0u64; bytes.len() / n_bits * words_per_row];
        for (row, out) in bytes.chunks_exact(n_bits).zip(words.chunks_exact_mut(words_per_row)) {
            for (i, bytes) in row.chunks(8).enumerate() {
                let mut eight = [0; 8];
                eight[..bytes.len()].copy_from_slice(bytes);
                let eight = u64::from_le_bytes(eight);
                if eight & !LOWEST_BITS != 0 {
                    let bad = bytes.iter().copied().find(|&bit| bit > 1).unwrap_or_default();
                    return Err(Error::invalid(argument, "bits that are 0 or 1", bad));
                }
                out[i / 8] |= (eight.wrapping_mul(GATHER) >> 56) << (i % 8 * 8);
            }
        }
        Ok(Self { n_bits, words_per_row, words })
    }

    /// Rows given by outcome indices of at most 64 bits; higher bits of an index are dropped.
    pub fn from_indices(indices: impl IntoIterator<Item = u64>, n_bits: usize) -> Self {
        debug_assert!((1..=64).contains(&n_bits));
        let mask = u64::MAX >> (64 - n_bits);
        Self { n_bits, words_per_row: 1, words: indices.into_iter().map(|z| z & mask).collect() }
    }

    /// Bits in a row.
    pub fn n_bits(&self) -> usize {
        self.n_bits
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.words.len() / self.words_per_row
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Words in a row.
    pub fn words_per_row(&self) -> usize {
        self.words_per_row
    }

    /// The words of one row.
    pub fn row(&self, i: usize) -> &[u64] {
        &self.words[i * self.words_per_row..(i + 1) * self.words_per_row]
    }

    /// All rows, one after the other.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

/// Bit `i` of a packed row.
#[inline(always)]
pub fn bit(row: &[u64], i: usize) -> bool {
    row[i / 64] >> (i % 64) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_across_words_with_bit_zero_lowest() {
        let mut bytes = vec![0u8; 140];
        bytes[0] = 1;
        bytes[69] = 1;
        bytes[70 + 64] = 1;
        let packed = PackedBits::from_bytes("bits", &bytes, 70).unwrap();
        assert_eq!(packed.len(), 2);
        assert_eq!(packed.row(0), [1, 1 << 5]);
        assert_eq!(packed.row(1), [0, 1]);
        assert!(bit(packed.row(0), 69) && !bit(packed.row(1), 69));
    }

    #[test]
    fn refuses_values_that_are_not_bits() {
        let e = PackedBits::from_bytes("bits", &[0, 2], 2).unwrap_err();
        assert_eq!(e.to_string(), "bits: expected bits that are 0 or 1, got 2");
    }
}
