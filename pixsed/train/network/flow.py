"""Default network: an encoder that runs once per pixel, followed by an autoregressive flow.

The flow treats the coordinates of a space one after the other. For each of them, a small network
makes a monotone spline that maps a standard normal number to the coordinate, given the encoder's
description of the pixel and the previous coordinates.
"""

import math

import torch
from torch import nn

from pixsed.train.network import physics, spline
from pixsed.train.network.conditioner import Conditioner
from pixsed.train.network.encoder import Encoder, Trunk
from pixsed.train.network.features import Features
from pixsed.train.network.recalibration import Recalibration
from pixsed.train.network.space import MASSES

#: Input in place of the redshift for a network that infers the redshift.
NEUTRAL_REDSHIFT = 2.0


class PixelFlow(nn.Module):
    """Posterior of stellar-population parameters given the photometry of a pixel.

    Parameters
    ----------
    bands : int
        Number of bands, B.
    space : `~pixsed.train.network.spaces.Space`
        Coordinates and parameters of the prior.
    sizes : `~pixsed.train.options.NetworkSizes`, optional
        Default: those of the space.
    mass_offset : float, optional
        Typical log10 of the formed mass minus that of brightness times distance squared.
    infer_redshift : bool, optional
        Ignore the input redshift: the first coordinate is then the normal quantile of the
        redshift under its prior instead of the deviation from the observed redshift.

    Attributes
    ----------
    error_floor : float
        Smallest relative flux error in the training set. Smaller errors are raised to this
        value, because the network would be overconfident for them.
    decoder : `~pixsed.train.network.decoder.Decoder` or None
        If set, the graph predicts fluxes from the draws.
    """

    def __init__(self, bands, space, sizes=None, *, mass_offset=0.0, infer_redshift=False):
        super().__init__()
        sizes = space.SIZES if sizes is None else sizes
        self.space, self.bands, self.z_max = space, bands, space.z_max
        self.bins, self.mass_offset = sizes.bins, mass_offset
        self.infer_redshift = infer_redshift
        targets = len(space.TARGETS)
        self.encoder = Encoder(
            bands,
            targets,
            width=sizes.width,
            blocks=sizes.blocks,
            context=sizes.context,
            z_max=self.z_max,
        )
        self.register_buffer("target_mean", torch.zeros(targets))
        self.register_buffer("target_std", torch.ones(targets))
        masses = [float(name in MASSES) for name in space.TARGETS]
        self.register_buffer("follow_mass", torch.tensor(masses), persistent=False)
        self.recalibration = Recalibration(self.encoder.output_size, space.dim)
        self.trunk = Trunk(
            self.encoder.features.size + self.encoder.output_size,
            sizes.flow_width,
            sizes.flow_blocks,
        )
        self.direct = sizes.direct
        context = self.encoder.output_size * self.direct + sizes.flow_width
        self.conditioners = nn.ModuleList(
            Conditioner(context, d, sizes.hidden, sizes.bins) for d in range(space.dim)
        )
        self.error_floor = 0.0
        self.decoder = None

    def floor_errors(self, flux, flux_err):
        """Return errors (N, B) raised to at least `error_floor` times the flux."""
        if not self.error_floor:
            return flux_err
        least = self.error_floor * torch.abs(flux)
        return torch.where(flux_err < least, least, flux_err)

    def encode(self, flux, flux_err, z, z_err, mixed=False):
        """Return the outputs of `Encoder.forward`.

        They are computed in the encoder's precision (see `refine`) and returned in that of
        `flux`.
        """
        z, z_err = self.input_redshift(z, z_err)
        flux_err = self.floor_errors(flux, flux_err)
        kind = self.encoder.trunk.first.weight.dtype
        encoded = self.encoder(*(t.to(kind) for t in (flux, flux_err, z, z_err)), mixed)
        return tuple(t.to(flux.dtype) for t in encoded)

    def input_redshift(self, z, z_err):
        """Return the redshift and its error that enter the network."""
        if self.infer_redshift:
            return z * 0.0 + NEUTRAL_REDSHIFT, z_err * 0.0
        return z, z_err

    def context(self, encoded, mixed=False):
        """Return the conditioners' description of pixels (N, K), given the result of `encode`."""
        description, features = encoded[0], encoded[4]
        kind = self.trunk.first.weight.dtype
        own = self.trunk(torch.cat([features, description], dim=1).to(kind), mixed)
        own = own.to(description.dtype)
        return torch.cat([description, own], dim=1) if self.direct else own

    def refine(self):
        """Convert the layers that run once per pixel to float64, after training.

        Float32 rounding in the encoder changes steep posteriors by a few 1e-4 dex of [M/H];
        rounding in the conditioners changes them by a tenth of that. The weight matrices of
        these layers are first rounded to float16, which halves the size of the file and changes
        the loss in its fourth digit.
        """
        per_pixel = (self.encoder, self.trunk, *(one.from_known for one in self.conditioners))
        for module in per_pixel:
            module.double()
            for weight in module.parameters():
                if weight.ndim == 2:
                    weight.data = weight.data.half().double()
        return self

    def standardise(self, targets, bright, z, z_err):
        """Return properties (N, T) in the units of the encoder, masses relative to brightness."""
        reference = self.typical_mass(bright, z, z_err) * self.follow_mass
        return (targets - (reference + self.target_mean)) / self.target_std

    def typical_redshift(self, z, z_err):
        """Return the redshift (N,) from which the typical distance is computed."""
        z, z_err = self.input_redshift(z, z_err)
        # A redshift near zero with a large error says little about the distance.
        return torch.sqrt(z * z + 0.25 * z_err * z_err)

    def typical_mass(self, bright, z, z_err):
        """Return log10 of the typical formed mass (N, 1) for a brightness and redshift."""
        return self._log_mass(bright, self.typical_redshift(z, z_err).unsqueeze(1))

    def true_redshift(self, z, z_err, deviation):
        """Return the true redshift for the first coordinate."""
        if self.infer_redshift:
            return self.space.redshift_from(physics.normal_cdf(deviation))
        return torch.clamp(z + deviation * z_err, 0.0, self.z_max)

    def _log_mass(self, bright, z):
        return self.encoder.features.log_mass(bright, z) + self.mass_offset

    def mass_reference(self, bright, z):
        """Return the logit of the prior probability of the typical mass."""
        u = torch.clamp((self._log_mass(bright, z) - 4.0) / 8.0, 0.01, 0.99)
        return torch.log(u) - torch.log(1.0 - u)

    @staticmethod
    def _split(raw):
        """Split a conditioner's output into shift, log scale and spline parameters."""
        shift, log_scale = raw[..., 0], raw[..., 1]
        # The small factor makes the splines smooth at the start of training.
        return shift, torch.clamp(log_scale - 1.0, -8.0, 3.0), raw[..., 2:]

    def _centre(self, d, bright, z):
        return self.mass_reference(bright, z) if d == 1 else None

    def log_prob(self, coordinates, flux, flux_err, z, z_err):
        """Return the log density of coordinates.

        Parameters
        ----------
        coordinates : tensor, shape (N, D)
        flux, flux_err : tensor, shape (N, B)
            nJy; NaN = band missing.
        z, z_err : tensor, shape (N,)

        Returns
        -------
        tensor, shape (N, D)
            One term per coordinate; their sum is the joint log density.
        """
        encoded = self.encode(flux, flux_err, z, z_err)
        latent, log_slope = self.latents(coordinates, self.context(encoded), encoded[3], z, z_err)
        parameters = self.recalibration(self.recalibration_inputs(encoded))
        base, log_stretch = self.recalibration.inverse(latent, parameters)
        return -0.5 * base * base - 0.5 * math.log(2 * math.pi) + log_slope - log_stretch

    @staticmethod
    def recalibration_inputs(encoded):
        """Return the inputs of the recalibration (N, K), given the result of `encode`."""
        return torch.cat([encoded[0], encoded[4][:, -Features.SUMMARY :]], dim=1)

    def latents(self, coordinates, context, bright, z, z_err, mixed=False):
        """Return the latents of coordinates, before the recalibration is undone.

        Parameters
        ----------
        coordinates : tensor, shape (N, D)
        context : tensor, shape (N, K)
            Returned by the method `context`.
        bright : tensor, shape (N, 1)
            ln of the brightness, nJy.
        z, z_err : tensor, shape (N,)
        mixed : bool, optional
            Argument of `Conditioner.modulation`.

        Returns
        -------
        latent, log_slope : tensor, shape (N, D)
            Standard normals for a perfect flow, and the logs of their derivatives by the
            coordinates.
        """
        z, z_err = self.input_redshift(z, z_err)
        bright = bright.squeeze(1)
        # A conditioner takes the previous latents first, then the previous coordinates.
        base, slopes, previous_latents, previous_local = [], [], [], []
        rounded = context.bfloat16() if mixed else None
        z_here = z
        for d, conditioner in enumerate(self.conditioners):
            at_z = [torch.log(1.0 + z_here), z_err / (1.0 + z_here) * 10.0]
            previous = torch.stack([*previous_latents, *previous_local, *at_z], dim=1)
            out, along = conditioner(conditioner.modulation(context, rounded), previous)
            shift, log_scale, raw = self._split(out)
            x = coordinates[:, d]
            centre = self._centre(d, bright, z_here)
            local = x if centre is None else x - centre
            y = (local - shift - along) * torch.exp(-log_scale)
            latent, log_slope = spline.inverse(y, raw, self.bins)
            slopes.append(log_slope - log_scale)
            base.append(latent)
            previous_latents.append(torch.clamp(latent, -6.0, 6.0))
            previous_local.append(torch.clamp(local, -6.0, 6.0))
            if d == 0:
                z_here = self.true_redshift(z, z_err, x)
        return torch.stack(base, dim=1), torch.stack(slopes, dim=1)

    def draw(self, flux, flux_err, z, z_err, base):
        """Return coordinates (N, S, D) for base normals (N, S, D), and predicted fluxes (N, B)."""
        encoded = self.encode(flux, flux_err, z, z_err)
        inputs = self.recalibration_inputs(encoded)
        drawn = self.draw_encoded(self.context(encoded), inputs, encoded[3], z, z_err, base)
        return drawn, encoded[2]

    def draw_encoded(self, context, recalibration_inputs, bright, z, z_err, base):
        """Return coordinates (N, S, D) for base normals of that shape, for encoded pixels.

        The first three arguments are returned by `context`, `recalibration_inputs` and
        `encode`.
        """
        base = self.recalibration.apply_to(base, recalibration_inputs)
        # Draws along the last axis, (D, N, S): see `spline.forward`.
        base = base.permute(2, 0, 1)
        z, z_err = (t.unsqueeze(1) for t in self.input_redshift(z, z_err))
        zero = base[0] * 0.0
        z_here, z_err_here = z + zero, z_err + zero
        previous_local, out = [], []
        for d, conditioner in enumerate(self.conditioners):
            # Inputs are the previous latents, then the previous coordinates, then the redshift.
            latents = [torch.clamp(base[:d], -6.0, 6.0)] if d else []
            coordinates = [torch.clamp(torch.stack(previous_local), -6.0, 6.0)] if d else []
            at_z = torch.stack([torch.log(1.0 + z_here), z_err_here / (1.0 + z_here) * 10.0])
            previous = torch.cat([*latents, *coordinates, at_z])
            raw, along = conditioner.forward_draws(conditioner.modulation(context), previous)
            value = spline.forward(base[d].reshape(-1), raw[2:], self.bins)
            shift, log_scale, _ = self._split(raw.T)
            local = (shift + torch.exp(log_scale) * value).reshape(zero.shape) + along
            centre = self._centre(d, bright, z_here)
            x = local if centre is None else local + centre
            previous_local.append(local)
            out.append(x)
            if d == 0:  # each draw has its own redshift from here on
                z_here = self.true_redshift(z, z_err, x)
        return torch.stack(out).permute(1, 2, 0)

    def decoded_from(self, coordinates, z, z_err):
        """Return parameters (N, S, P), in the order of the space's DECODED."""
        z_true = self.true_redshift(z.unsqueeze(1), z_err.unsqueeze(1), coordinates[..., 0])
        return self.space.decoded(coordinates, z_true)

    def parameters_from(self, coordinates, z, z_err):
        """Return physical parameters (N, S, P), in the order of the space's OUTPUTS."""
        return self.decoded_from(coordinates, z, z_err)[..., : len(self.space.OUTPUTS)]

    def forward(self, flux, flux_err, redshift, redshift_err, base):
        """Return samples and predicted fluxes: the graph of the exported model."""
        coordinates, predicted = self.draw(flux, flux_err, redshift, redshift_err, base)
        parameters = self.decoded_from(coordinates, redshift, redshift_err)
        if self.decoder is not None:
            predicted = self.decoder.best(parameters, flux, flux_err)
        return parameters[..., : len(self.space.OUTPUTS)], predicted
