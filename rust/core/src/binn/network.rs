//! The layout of a binary network: which bit is which weight.

use super::{Activation, Likelihood};
use crate::bits::PackedBits;
use crate::error::{Error, Result, check_len};

/// Networks are enumerated up to this many weights; beyond, not even their table has a place.
pub(super) const MAX_ENUMERATED_WEIGHTS: usize = 40;

/// A fully connected network whose weights and biases are all +1 or -1.
///
/// The flat order of the weights is, for each layer in turn, the matrix of shape (inputs, outputs)
/// in row-major order and then, with `bias`, one bias an output. The last layer is linear; its
/// outputs times the logit scale are the logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    sizes: Vec<usize>,
    pub(super) dense: Vec<Dense>,
    n_weights: usize,
    /// One a hidden layer.
    activations: Vec<Activation>,
    bias: bool,
    logit_scale: f64,
    likelihood: Likelihood,
}

/// One matrix of weights. A bias is the weight of one more input, which is always 1: in the flat
/// order it stands just where that input's row would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dense {
    pub offset: usize,
    /// Inputs, the constant one of the bias included.
    pub fan_in: usize,
    pub n_units: usize,
}

impl Dense {
    /// The flat position of the weight from `input` to `unit`.
    #[inline(always)]
    pub fn position(&self, input: usize, unit: usize) -> usize {
        self.offset + input * self.n_units + unit
    }
}

impl Network {
    /// A network with `layers[0]` inputs, then hidden layers, then `layers.last()` outputs.
    ///
    /// At least two layers of at least one unit; one output for a Bernoulli likelihood, at least
    /// two for a categorical one. `logit_scale` is finite and above 0.
    pub fn new(
        layers: &[usize],
        activation: Activation,
        bias: bool,
        logit_scale: f64,
        likelihood: Likelihood,
    ) -> Result<Self> {
        if layers.len() < 2 || layers.contains(&0) {
            let expected = "at least two layers, each of at least 1 unit";
            return Err(Error::invalid("layers", expected, format!("{layers:?}")));
        }
        if !(logit_scale.is_finite() && logit_scale > 0.0) {
            return Err(Error::invalid("logit_scale", "a finite number above 0", logit_scale));
        }
        likelihood.check(layers[layers.len() - 1])?;
        let mut dense = Vec::with_capacity(layers.len() - 1);
        let mut n_weights = 0usize;
        for pair in layers.windows(2) {
            let (offset, n_units) = (n_weights, pair[1]);
            let end = pair[0]
                .checked_add(usize::from(bias))
                .and_then(|fan_in| fan_in.checked_mul(n_units))
                .and_then(|n| n.checked_add(offset))
                // Arrays over weights and points are measured in bytes.
                .filter(|&n| n <= isize::MAX as usize / 16);
            n_weights = end.ok_or_else(|| {
                Error::invalid(
                    "layers",
                    "sizes whose weights can be counted",
                    format!("{layers:?}"),
                )
            })?;
            dense.push(Dense { offset, fan_in: pair[0] + usize::from(bias), n_units });
        }
        let (sizes, activations) = (layers.to_vec(), vec![activation; layers.len() - 2]);
        Ok(Self { sizes, dense, n_weights, activations, bias, logit_scale, likelihood })
    }

    /// The same network with an activation of its own for each hidden layer.
    pub fn with_activations(mut self, activations: &[Activation]) -> Result<Self> {
        check_len("activations", self.activations.len(), activations.len())?;
        self.activations = activations.to_vec();
        Ok(self)
    }

    /// Sizes of all layers, inputs first.
    pub fn layers(&self) -> &[usize] {
        &self.sizes
    }

    /// Number of binary weights, biases included: the qubits of a circuit over them.
    pub fn n_weights(&self) -> usize {
        self.n_weights
    }

    /// Numbers in one data point.
    pub fn n_inputs(&self) -> usize {
        self.sizes[0]
    }

    /// Logits of one data point.
    pub fn n_outputs(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// The activations of the hidden layers.
    pub fn activations(&self) -> &[Activation] {
        &self.activations
    }

    /// Whether units have a binary bias.
    pub fn bias(&self) -> bool {
        self.bias
    }

    /// The factor between outputs and logits.
    pub fn logit_scale(&self) -> f64 {
        self.logit_scale
    }

    /// How logits and targets make a log-likelihood.
    pub fn likelihood(&self) -> Likelihood {
        self.likelihood
    }

    /// Whether there is a layer between inputs and outputs.
    pub(super) fn has_hidden(&self) -> bool {
        self.dense.len() > 1
    }

    /// Whether all hidden units are +1 or -1, and there are some.
    pub(super) fn is_sign(&self) -> bool {
        self.has_hidden() && self.activations.iter().all(|&a| a == Activation::Sign)
    }

    /// Checks that rows of bits are rows of this network's weights.
    pub(super) fn check_bits(&self, bits: &PackedBits) -> Result<()> {
        if bits.n_bits() == self.n_weights {
            return Ok(());
        }
        let expected = format!("rows of {} bits, one a weight", self.n_weights);
        Err(Error::invalid("bits", expected, format!("rows of {}", bits.n_bits())))
    }

    /// The number of all networks, 2^n, where they can be enumerated.
    pub(super) fn n_networks(&self) -> Result<usize> {
        if self.n_weights <= MAX_ENUMERATED_WEIGHTS.min(usize::BITS as usize - 4) {
            return Ok(1 << self.n_weights);
        }
        let expected =
            format!("at most {MAX_ENUMERATED_WEIGHTS} binary weights, to enumerate all networks");
        Err(Error::invalid("layers", expected, format!("{} weights", self.n_weights)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lie_input_major_then_biases() {
        let network =
            Network::new(&[2, 3, 1], Activation::Tanh, true, 1.0, Likelihood::Bernoulli).unwrap();
        assert_eq!((network.n_weights(), network.n_inputs(), network.n_outputs()), (13, 2, 1));
        let [first, last] = network.dense[..] else { panic!("two matrices") };
        assert_eq!((first.position(1, 2), first.position(2, 0)), (5, 6));
        assert_eq!((last.position(0, 0), last.position(3, 0)), (9, 12));
    }

    #[test]
    fn refuses_shapes_that_make_no_network() {
        let new = |layers: &[usize], scale, likelihood| {
            Network::new(layers, Activation::Sign, true, scale, likelihood)
                .map(|n| n.n_weights())
                .map_err(|e| e.to_string().split(':').next().unwrap_or_default().to_owned())
        };
        let refused = |name: &str| Err(name.to_owned());
        assert_eq!(new(&[2], 1.0, Likelihood::Bernoulli), refused("layers"));
        assert_eq!(new(&[2, 0, 1], 1.0, Likelihood::Bernoulli), refused("layers"));
        assert_eq!(new(&[usize::MAX, 1], 1.0, Likelihood::Bernoulli), refused("layers"));
        assert_eq!(new(&[1 << 40, 1 << 40, 1], 1.0, Likelihood::Bernoulli), refused("layers"));
        assert_eq!(new(&[2, 2], 1.0, Likelihood::Bernoulli), refused("layers"));
        assert_eq!(new(&[2, 1], 1.0, Likelihood::Categorical), refused("layers"));
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(new(&[2, 1], scale, Likelihood::Bernoulli), refused("logit_scale"));
            assert_eq!(new(&[2, 1], 1.0, Likelihood::Gaussian { noise: scale }), refused("noise"));
        }
        assert_eq!(new(&[2, 2], 1.0, Likelihood::Categorical), Ok(6));
    }
}
