"""The default network: an encoder run once a pixel, then a light autoregressive flow.

For each coordinate of a space in turn a small network, given what the encoder knows of the
pixel and the coordinates before, makes a monotone spline that carries a standard normal number
to that coordinate.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu

from pixsed.train.network import physics, spline
from pixsed.train.network.encoder import Encoder, Trunk
from pixsed.train.network.features import Features

#: Shown in place of a redshift by a network that infers it.
NEUTRAL = 2.0
#: Largest skew and log of the tails of `Recalibration`.
_TAIL_LIMIT = 0.5


class _Conditioner(nn.Module):
    """Makes the spline of one coordinate from what is known and the coordinates before.

    How much the coordinates before matter differs by orders of magnitude between faint pixels
    and bright ones, more than one small network can follow: each pixel sets gains and offsets of
    both hidden layers (Perez+18, feature-wise linear modulation) and an offset of what comes
    out, and slopes of the spline's centre with the latents before.
    """

    def __init__(self, known, before, hidden, bins):
        super().__init__()
        outputs = spline.parameter_count(bins) + 2
        self.sizes = [hidden, hidden, hidden, hidden, outputs, before]
        self.from_known = nn.Linear(known, sum(self.sizes))
        self.from_before = nn.Linear(2 * before + 2, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, outputs, bias=False)
        nn.init.zeros_(self.last.weight)
        with torch.no_grad():  # gains of one, all else zero but the offsets of the first layer
            self.from_known.weight[hidden:] = 0.0
            self.from_known.bias[hidden:] = 0.0

    def of_pixel(self, known):
        """Return what pixels set.

        Parameters
        ----------
        known : tensor, shape (N, K)

        Returns
        -------
        first, gain, second, second_gain : tensor, shape (N, H)
            Offsets and gains of the hidden layers.
        out : tensor, shape (N, O)
        slope : tensor, shape (N, d)
        """
        # In its own precision, see `PixelFlow.refine`.
        set_by_it = self.from_known(known.to(self.from_known.weight.dtype)).to(known.dtype)
        first, gain, second, second_gain, out, slope = torch.split(set_by_it, self.sizes, dim=1)
        return first, 1.0 + gain, second, 1.0 + second_gain, out, slope

    def forward(self, of_pixel, before):
        """Return the spline's parameters (N, O), and what the slopes add to its centre (N,).

        Parameters
        ----------
        of_pixel : tuple of tensor
            As the method of that name gives it.
        before : tensor, shape (N, I)
            Latents and coordinates before, and the redshift.
        """
        first, gain, second, second_gain, out, slope = of_pixel
        h = silu(first + gain * self.from_before(before))
        g = silu(second + second_gain * self.second(h))
        return self.last(h + g) + out, (slope * before[:, : slope.shape[1]]).sum(dim=1)

    def draws(self, of_pixel, before):
        """As `forward`, with pixels and draws along the last axes.

        Parameters
        ----------
        of_pixel : tuple of tensor
        before : tensor, shape (I, N, S)

        Returns
        -------
        tensor, shape (O, N S)
        tensor, shape (N, S)
        """
        count, pixels, draws = before.shape
        first, gain, second, second_gain, out, slope = (t.T.unsqueeze(-1) for t in of_pixel)

        def layer(weight, values, times, plus):
            # A product of two axes, the fastest form; then each pixel's part.
            return (weight @ values.reshape(-1, pixels * draws)).reshape(
                -1, pixels, draws
            ) * times + plus

        h = silu(layer(self.from_before.weight, before, gain, first))
        # The layer's own bias is a pixel's with the gain that it has.
        bias = self.second.bias[:, None, None] * second_gain + second
        g = silu(layer(self.second.weight, h, second_gain, bias))
        last = layer(self.last.weight, h + g, 1.0, out)
        return last.reshape(-1, pixels * draws), (slope * before[: slope.shape[0]]).sum(dim=0)


class Recalibration(nn.Module):
    """A monotone map of the base normals, from what is known; the identity until fitted.

    Pixels with the most information are rare in training, and the flow's widths there are
    the last to converge. This small network, fitted after it, takes up what is left. Each
    normal is given a skew and tails, by a sinh-arcsinh transformation (Jones & Pewsey 2009)
    that leaves its median and the half width of its 68 % interval as they are; then follow,
    of each coordinate, the shift and scale, and how its normals go with those before.
    """

    def __init__(self, known, dim, hidden=64):
        super().__init__()
        self.dim = dim
        self.first = nn.Linear(known + Features.SUMMARY, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 2 * dim)
        self.mixing = nn.Linear(hidden, dim * (dim - 1) // 2)
        self.tails = nn.Linear(hidden, 2 * dim)
        for layer in (self.last, self.mixing, self.tails):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _load_from_state_dict(self, state, prefix, *args):
        # Checkpoints of before there were: nothing is mixed, and the tails are normal.
        for part in ("mixing", "tails"):
            for name, values in getattr(self, part).state_dict().items():
                state.setdefault(f"{prefix}{part}.{name}", torch.zeros_like(values))
        super()._load_from_state_dict(state, prefix, *args)

    def forward(self, seen):
        """Return what the map of pixels is made of.

        Parameters
        ----------
        seen : tensor, shape (N, K)
            As of `PixelFlow.seen`.

        Returns
        -------
        shift, log_scale : tensor, shape (N, D)
        mixing : tensor, shape (N, D, D)
            Lower triangular, its diagonal zero.
        skew, log_tail : tensor, shape (N, D)
            Of `bent`.
        """
        h = silu(self.second(silu(self.first(seen))))
        out, mixing = self.last(h), torch.clamp(self.mixing(h), -1.0, 1.0)
        tails = torch.clamp(self.tails(h), -_TAIL_LIMIT, _TAIL_LIMIT)
        # A product, where an indexed assignment would make many nodes of the graph.
        rows, columns = np.tril_indices(self.dim, -1)
        places = torch.zeros(len(rows), self.dim * self.dim, dtype=out.dtype)
        places[torch.arange(len(rows)), torch.from_numpy(rows * self.dim + columns)] = 1.0
        mixing = (mixing @ places).reshape(-1, self.dim, self.dim)
        shift, log_scale = out[:, : self.dim], torch.clamp(out[:, self.dim :], -1.0, 1.0)
        return shift, log_scale, mixing, tails[:, : self.dim], tails[:, self.dim :]

    @staticmethod
    def bent(base, skew, log_tail):
        """Return normals with a skew and tails, all of shapes that go together.

        0 stays 0, and the values of -1 and 1 stay 2 apart.
        """
        raised = torch.exp(torch.exp(log_tail) * physics.asinh(base) + skew)
        offset, width = _sinh_arcsinh(skew, log_tail)
        return (0.5 * (raised - 1.0 / raised) - offset) / width

    @staticmethod
    def straight(bent, skew, log_tail):
        """Return what `bent` was made of, and the log of its derivative there."""
        offset, width = _sinh_arcsinh(skew, log_tail)
        inner = bent * width + offset
        raised = torch.exp((physics.asinh(inner) - skew) * torch.exp(-log_tail))
        base = 0.5 * (raised - 1.0 / raised)
        log_slope = 0.5 * torch.log((1.0 + inner * inner) / (1.0 + base * base))
        return base, log_slope + log_tail - torch.log(width)

    def apply_to(self, base, seen):
        """Return what the flow takes, (N, S, D), for base normals (N, S, D)."""
        shift, log_scale, mixing, skew, log_tail = self(seen)
        bent = self.bent(base, skew.unsqueeze(1), log_tail.unsqueeze(1))
        matrix = mixing + torch.diag_embed(torch.exp(log_scale))
        return shift.unsqueeze(1) + bent @ matrix.transpose(1, 2)

    @staticmethod
    def unmix(latent, parts):
        """Return bent normals (N, D) of latents (N, D), of what `forward` returned."""
        shift, log_scale, mixing = parts[:3]
        bent = []
        for d in range(latent.shape[1]):
            rest = latent[:, d] - shift[:, d]
            for j, before in enumerate(bent):
                rest = rest - mixing[:, d, j] * before
            bent.append(rest * torch.exp(-log_scale[:, d]))
        return torch.stack(bent, dim=1)

    @classmethod
    def undo(cls, latent, parts):
        """Return base normals of latents, of what `forward` returned; both (N, D).

        And the log of the derivative of each latent by its own normal, (N, D).
        """
        base, log_slope = cls.straight(cls.unmix(latent, parts), *parts[3:])
        return base, log_slope + parts[1]


def _sinh_arcsinh(skew, log_tail):
    """The value at 0 of sinh(exp(log_tail) asinh(x) + skew), and half the way from -1 to 1."""
    at_one = torch.exp(torch.exp(log_tail) * math.asinh(1.0))
    raised = torch.exp(skew)
    offset = 0.5 * (raised - 1.0 / raised)
    return offset, 0.25 * (raised + 1.0 / raised) * (at_one - 1.0 / at_one)


class PixelFlow(nn.Module):
    """Posterior of stellar-population parameters given a pixel's photometry.

    Parameters
    ----------
    bands : int
    space : `~pixsed.train.network.spaces.Space`
    width, blocks, context, hidden, bins : int, optional
        Sizes of the encoder, its context, the conditioners and the splines.
    flow_width, flow_blocks : int, optional
        Sizes of the flow's own residual network. The sharpest posteriors have the steepest
        gradients and would bend the encoder to themselves; this one they may.
    mass_offset : float, optional
        Typical log10 of formed mass less the logarithm of brightness and distance.
    z_max : float, optional
        Upper end of the redshift prior.
    infer_redshift : bool, optional
        Whatever redshift is given is not looked at: the first coordinate is then the normal
        quantile of the redshift's prior, in place of its deviation from the one observed.
    """

    def __init__(
        self,
        bands,
        space,
        *,
        width=320,
        blocks=4,
        context=128,
        hidden=64,
        bins=10,
        flow_width=256,
        flow_blocks=4,
        mass_offset=0.0,
        z_max=7.5,
        infer_redshift=False,
    ):
        super().__init__()
        self.space, self.bands = space, bands
        self.bins, self.z_max, self.mass_offset = bins, z_max, mass_offset
        self.infer_redshift = infer_redshift
        targets = len(space.TARGETS)
        self.encoder = Encoder(bands, targets, width=width, blocks=blocks, context=context)
        self.register_buffer("target_mean", torch.zeros(targets))
        self.register_buffer("target_std", torch.ones(targets))
        masses = [float(name in ("LOGMSTAR", "LOGMFORM", "LOGSFR")) for name in space.TARGETS]
        self.register_buffer("follow_mass", torch.tensor(masses), persistent=False)
        self.recalibration = Recalibration(self.encoder.known, space.dim)
        self.trunk = Trunk(self.encoder.features.size + self.encoder.known, flow_width, flow_blocks)
        known = self.encoder.known + flow_width
        self.conditioners = nn.ModuleList(
            _Conditioner(known, d, hidden, bins) for d in range(space.dim)
        )
        #: Smallest error over the flux that the network learns from; smaller ones are taken
        #: for it, since of what it never saw it would be too sure.
        self.error_floor = 0.0
        #: A `~pixsed.train.network.decoder.Decoder`: then the graph predicts fluxes by the draws.
        self.decoder = None

    def floored(self, flux, flux_err):
        """Return errors (N, B) no smaller than `error_floor` of the flux."""
        if not self.error_floor:
            return flux_err
        least = self.error_floor * torch.abs(flux)
        return torch.where(flux_err < least, least, flux_err)

    def encode(self, flux, flux_err, z, z_err, mixed=False):
        """Return what `Encoder.forward` does, computed in the encoder's own precision.

        See `refine`; given back in that of `flux`.
        """
        z, z_err = self.given(z, z_err)
        flux_err = self.floored(flux, flux_err)
        kind = self.encoder.trunk.first.weight.dtype
        found = self.encoder(*(t.to(kind) for t in (flux, flux_err, z, z_err)), mixed)
        return tuple(t.to(flux.dtype) for t in found)

    def given(self, z, z_err):
        """The redshift and its error that the network is shown."""
        return (z * 0.0 + NEUTRAL, z_err * 0.0) if self.infer_redshift else (z, z_err)

    def context(self, encoded, mixed=False):
        """Return what the conditioners know of pixels, (N, K), from what `encode` returned."""
        known, features = encoded[0], encoded[4]
        kind = self.trunk.first.weight.dtype
        own = self.trunk(torch.cat([features, known], dim=1).to(kind), mixed)
        return torch.cat([known, own.to(known.dtype)], dim=1)

    def predict(self, flux, flux_err, z, z_err):
        """Return the photometry (N, B) that the encoder takes for the true one, nJy."""
        return self.encode(flux, flux_err, z, z_err)[2]

    def refine(self):
        """Turn what runs once a pixel to float64, for use after training.

        Steep posteriors show float32 rounding in the encoder, a few 1e-4 dex of [M/H]: in the
        conditioners, a tenth of that. Matrices that a pixel meets once are rounded to float16
        for good, so that a file of half the size holds them; the loss changes in its fourth
        digit.
        """
        once = (self.encoder, self.trunk, *(one.from_known for one in self.conditioners))
        for module in once:
            module.double()
            for weight in module.parameters():
                if weight.ndim == 2:
                    weight.data = weight.data.half().double()
        return self

    def standardise(self, targets, bright, z, z_err):
        """Return properties (N, T) as the encoder predicts them: masses against the brightness."""
        reference = self._target_reference(bright, z, z_err) + self.target_mean
        return (targets - reference) / self.target_std

    def physical_quantiles(self, quantiles, bright, z, z_err):
        """Return the encoder's quantiles (N, T, Q) in the units of `Space.TARGETS`."""
        reference = self._target_reference(bright, z, z_err) + self.target_mean
        return quantiles * self.target_std[:, None] + reference.unsqueeze(-1)

    def typical_redshift(self, z, z_err):
        """Return the redshift (N,) whose distance goes with an observed one."""
        z, z_err = self.given(z, z_err)
        # An observed redshift near zero with a large error says little of the distance.
        return torch.sqrt(z * z + 0.25 * z_err * z_err)

    def typical_mass(self, bright, z, z_err):
        """Return log10 of the formed mass (N, 1) that the brightness suggests."""
        return self._log_mass(bright, self.typical_redshift(z, z_err).unsqueeze(1))

    def _target_reference(self, bright, z, z_err):
        return self.typical_mass(bright, z, z_err) * self.follow_mass

    def true_redshift(self, z, z_err, deviation):
        """The redshift that a deviation in units of the error stands for."""
        if self.infer_redshift:
            return self.z_max * physics.normal_cdf(deviation)
        return torch.clamp(z + deviation * z_err, 0.0, self.z_max)

    def _log_mass(self, bright, z):
        return self.encoder.features.log_mass(bright, z) + self.mass_offset

    def mass_reference(self, bright, z):
        """Logit of the prior probability of the mass that the brightness suggests."""
        u = torch.clamp((self._log_mass(bright, z) - 4.0) / 8.0, 0.01, 0.99)
        return torch.log(u) - torch.log(1.0 - u)

    # The share of the spline's raw outputs; small, so that training starts smooth.
    @staticmethod
    def _split(raw):
        shift, log_scale = raw[..., 0], raw[..., 1]
        return shift, torch.clamp(log_scale - 1.0, -8.0, 3.0), raw[..., 2:]

    def _centre(self, d, bright, z):
        return self.mass_reference(bright, z) if d == 1 else None

    def log_prob(self, coordinates, flux, flux_err, z, z_err):
        """Return the log density of coordinates.

        Parameters
        ----------
        coordinates : tensor, shape (N, D)
        flux, flux_err : tensor, shape (N, B)
        z, z_err : tensor, shape (N,)

        Returns
        -------
        tensor, shape (N, D)
            A column a coordinate; the density is their sum.
        """
        encoded = self.encode(flux, flux_err, z, z_err)
        latent, log_slope = self.latents(coordinates, self.context(encoded), encoded[3], z, z_err)
        parts = self.recalibration(self.seen(encoded))
        base, log_stretch = self.recalibration.undo(latent, parts)
        return -0.5 * base * base - 0.5 * math.log(2 * math.pi) + log_slope - log_stretch

    @staticmethod
    def seen(encoded):
        """Return what the recalibration sees, of what `encode` returned."""
        return torch.cat([encoded[0], encoded[4][:, -Features.SUMMARY :]], dim=1)

    def latents(self, coordinates, known, bright, z, z_err):
        """Return what the flow carries coordinates to, before the recalibration.

        Parameters
        ----------
        coordinates : tensor, shape (N, D)
        known : tensor, shape (N, K)
        bright : tensor, shape (N, 1)
        z, z_err : tensor, shape (N,)

        Returns
        -------
        latent, log_slope : tensor, shape (N, D)
            Standard normals, and the logs of their derivatives.
        """
        z, z_err = self.given(z, z_err)
        bright = bright.squeeze(1)
        # What a conditioner sees: the latents before its own, then the coordinates.
        base, slopes, seen_base, seen = [], [], [], []
        z_here = z
        for d, conditioner in enumerate(self.conditioners):
            at_z = [torch.log(1.0 + z_here), z_err / (1.0 + z_here) * 10.0]
            before = torch.stack([*seen_base, *seen, *at_z], dim=1)
            out, along = conditioner(conditioner.of_pixel(known), before)
            shift, log_scale, raw = self._split(out)
            x = coordinates[:, d]
            centre = self._centre(d, bright, z_here)
            local = x if centre is None else x - centre
            y = (local - shift - along) * torch.exp(-log_scale)
            latent, log_slope = spline.inverse(y, raw, self.bins)
            slopes.append(log_slope - log_scale)
            base.append(latent)
            seen_base.append(torch.clamp(latent, -6.0, 6.0))
            seen.append(torch.clamp(local, -6.0, 6.0))
            if d == 0:
                z_here = self.true_redshift(z, z_err, x)
        return torch.stack(base, dim=1), torch.stack(slopes, dim=1)

    def draw(self, flux, flux_err, z, z_err, base):
        """Return coordinates (N, S, D) for base normals (N, S, D), and predicted fluxes."""
        return self.draw_encoded(self.encode(flux, flux_err, z, z_err), z, z_err, base)

    def draw_encoded(self, encoded, z, z_err, base):
        """Return what `draw` does, of what `encode` returned."""
        known, bright = self.context(encoded), encoded[3]
        return self.draw_known(known, self.seen(encoded), bright, z, z_err, base), encoded[2]

    def draw_known(self, known, seen_of_pixel, bright, z, z_err, base):
        """Return coordinates (N, S, D) for base normals of that shape.

        Of what `context`, `seen` and `encode` say of pixels.
        """
        base = self.recalibration.apply_to(base, seen_of_pixel)
        # Draws along the last axis, (D, N, S): see `spline.bend`.
        base = base.permute(2, 0, 1)
        z, z_err = (t.unsqueeze(1) for t in self.given(z, z_err))
        zero = base[0] * 0.0
        z_here, z_err_here = z + zero, z_err + zero
        seen, out = [], []
        for d, conditioner in enumerate(self.conditioners):
            # The latents before, then the coordinates, then the redshift.
            latents = [torch.clamp(base[:d], -6.0, 6.0)] if d else []
            coordinates = [torch.clamp(torch.stack(seen), -6.0, 6.0)] if d else []
            at_z = torch.stack([torch.log(1.0 + z_here), z_err_here / (1.0 + z_here) * 10.0])
            before = torch.cat([*latents, *coordinates, at_z])
            raw, along = conditioner.draws(conditioner.of_pixel(known), before)
            bent = spline.bend(base[d].reshape(-1), raw[2:], self.bins)
            shift, log_scale, _ = self._split(raw.T)
            local = (shift + torch.exp(log_scale) * bent).reshape(zero.shape) + along
            centre = self._centre(d, bright, z_here)
            x = local if centre is None else local + centre
            seen.append(local)
            out.append(x)
            if d == 0:  # from here on each sample has a redshift of its own
                z_here = self.true_redshift(z, z_err, x)
        return torch.stack(out).permute(1, 2, 0)

    def parameters_from(self, coordinates, z, z_err):
        """Return physical parameters (N, S, P), in the order of the space's OUTPUTS."""
        z_true = self.true_redshift(z.unsqueeze(1), z_err.unsqueeze(1), coordinates[..., 0])
        return self.space.parameters(coordinates, z_true)

    def forward(self, flux, flux_err, redshift, redshift_err, base):
        """The graph of the exported model: photometry and base normals to samples."""
        coordinates, predicted = self.draw(flux, flux_err, redshift, redshift_err, base)
        samples = self.parameters_from(coordinates, redshift, redshift_err)
        if self.decoder is not None:
            predicted = self.decoder.best(samples, flux, flux_err)
        return samples, predicted
