//! What a hidden unit does to its weighted sum.

use std::str::FromStr;

use super::exponential::{exp_nonpositive, tanh};
use crate::error::{Error, Result};
use crate::simd::kernel;

/// The activation of the hidden units; the last layer is always linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// +1 for sums >= 0 (zero of either sign included), else -1: weights *and* activations binary.
    Sign,
    /// Hyperbolic tangent.
    Tanh,
    /// max(0, sum).
    Relu,
    /// 1 / (1 + exp(-sum)).
    Sigmoid,
    /// The sum itself.
    Identity,
}

impl Activation {
    /// Every activation, in the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::Sign, Self::Tanh, Self::Relu, Self::Sigmoid, Self::Identity];

    /// The name by which users ask for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Identity => "identity",
        }
    }

    /// Replaces every sum by its activation.
    pub(super) fn apply(self, values: &mut [f64]) {
        activate(self, values);
    }
}

kernel! {
    fn activate(activation: Activation, values: &mut [f64]) {
        // The choice is made outside the loops, so that each loop is straight-line code.
        match activation {
            Activation::Sign => each(values, |v| if v >= 0.0 { 1.0 } else { -1.0 }),
            Activation::Tanh => each(values, tanh::<FMA>),
            Activation::Relu => each(values, |v| if v > 0.0 { v } else { 0.0 }),
            Activation::Sigmoid => each(values, sigmoid::<FMA>),
            Activation::Identity => {}
        }
    }
}

#[inline(always)]
fn each(values: &mut [f64], f: impl Fn(f64) -> f64) {
    for v in values {
        *v = f(*v);
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|a| a.name()).collect();
            Error::invalid(
                "activation",
                format!("one of {}", names.join(", ")),
                format!("{name:?}"),
            )
        })
    }
}

/// The logistic function, without overflow on either side.
#[inline(always)]
fn sigmoid<const FMA: bool>(v: f64) -> f64 {
    let e = exp_nonpositive::<FMA>(-v.abs());
    (if v >= 0.0 { 1.0 } else { e }) / (1.0 + e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_unknown_ones_refused() {
        for activation in Activation::ALL {
            assert_eq!(activation.name().parse(), Ok(activation));
        }
        assert_eq!(
            "Sign".parse::<Activation>().unwrap_err().to_string(),
            "activation: expected one of sign, tanh, relu, sigmoid, identity, got \"Sign\""
        );
    }

    #[test]
    fn both_zeros_have_sign_plus_one() {
        let mut values = [0.0, -0.0, f64::MIN_POSITIVE, -f64::MIN_POSITIVE];
        Activation::Sign.apply(&mut values);
        assert_eq!(values, [1.0, 1.0, 1.0, -1.0]);
    }
}
