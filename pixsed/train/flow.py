"""The default network: a context computed once a pixel, then a light autoregressive flow.

A residual network reads the photometry. For each coordinate in turn a small
network, given the context and the coordinates before, makes a monotone spline
that carries a standard normal number to that coordinate. Coordinates are
cumulative prior probabilities behind a normal or logistic curve, so that no
draw can leave the prior.

Coordinates, in order: the deviation of the redshift from the observed one over
its error; formed mass; A_V; t_i over the age of the Universe; tau; [M/H].
"""

import math

import torch
from torch import nn
from torch.nn.functional import silu

from pixsed.train import physics, spline

#: The prior's coordinates in the order of the flow, behind the redshift.
ORDER = ("LOGMFORM", "AV", "TSTART", "TAU", "METAL")
DIM = 1 + len(ORDER)
OUTPUTS = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV", "TAU", "TSTART", "REDSHIFT")
_EPS = 1e-12


class Features(nn.Module):
    """What the network is shown of a pixel's photometry.

    For each band: whether it is there; its signal-to-noise; its flux over the pixel's
    overall brightness (in ln, through arcsinh, so that negative fluxes keep their meaning);
    its error over that brightness; its colour against the next bluer band present. Then
    the brightness, the redshift and its error.
    """

    #: The last columns: brightness, total S/N, number of bands, redshift and its error.
    SUMMARY = 8

    def __init__(self, bands):
        super().__init__()
        self.bands = bands
        self.size = 5 * bands + self.SUMMARY
        self.distance = physics.LogDistance()

    def brightness(self, flux, err, here):
        """ln of the error-weighted root-mean-square flux, nJy, shape (N, 1)."""
        weight = here / (err * err)
        power = (flux * flux + err * err) * weight
        mean = power.sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp(min=1e-30)
        return 0.5 * torch.log(mean.clamp(min=1e-30))

    def clean(self, flux, flux_err):
        """Fill missing bands; return flux, err and a 0/1 mask, each (N, B)."""
        good = (flux == flux) & (flux_err == flux_err) & (flux_err > 0)
        here = good.to(flux.dtype)
        return (
            torch.where(good, flux, torch.zeros_like(flux)),
            torch.where(good, flux_err, torch.ones_like(flux)),
            here,
        )

    def forward(self, flux, err, here, z, z_err):
        bright = self.brightness(flux, err, here)
        ratio = flux / err
        magnitude = physics.asinh(0.5 * ratio) + torch.log(2.0 * err) - bright
        magnitude = torch.clamp(magnitude, -15.0, 15.0)
        signal = physics.asinh(ratio) * 0.3
        relative = torch.clamp(torch.log(err) - bright, -8.0, 8.0)
        # The colour against the last band present to the blue.
        colours, last, any_before = [], torch.zeros_like(bright), torch.zeros_like(bright)
        for band in range(self.bands):
            m, h = magnitude[:, band : band + 1], here[:, band : band + 1]
            colours.append((m - last) * h * any_before)
            last = torch.where(h > 0, m, last)
            any_before = torch.maximum(any_before, h)
        colour = torch.clamp(torch.cat(colours, dim=1), -4.0, 4.0)
        zp1 = 1.0 + z
        count = here.sum(dim=1, keepdim=True)
        total = torch.log(1.0 + ((ratio * here) ** 2).sum(dim=1, keepdim=True))
        extra = [
            bright * 0.3, total * 0.2, count / self.bands, torch.log(zp1) - 1.3,
            z * 0.3 - 1.0, physics.age(z) * 0.2, self.distance(z) - 4.0,
            torch.clamp(torch.log(z_err / zp1 + 1e-4) + 6.0, -4.0, 6.0),
        ]  # fmt: skip
        return torch.cat(
            [here, signal * here, magnitude * 0.5 * here, relative * 0.3 * here, colour, *extra],
            dim=1,
        )


class _Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.second(silu(self.first(self.norm(x))))


class _Conditioner(nn.Module):
    """Makes the spline of one coordinate from the context and the coordinates before."""

    def __init__(self, context, before, hidden, bins):
        super().__init__()
        self.from_context = nn.Linear(context, hidden)
        self.from_before = nn.Linear(2 * before + 2, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, spline.parameter_count(bins) + 2)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, context_part, before):
        h = silu(context_part + self.from_before(before))
        # Two axes, so that onnxruntime adds the bias inside the product.
        flat = h.reshape(-1, h.shape[-1])
        out = self.last(flat + silu(self.second(flat)))
        return out.reshape(*h.shape[:-1], out.shape[-1])


class Recalibration(nn.Module):
    """Shift and scale of the base normals, from context and summary; the identity until fitted.

    Pixels with the most information are rare in training, and the flow's widths there are
    the last to converge. This small network, fitted after it, takes up what is left.
    """

    def __init__(self, context, hidden=64):
        super().__init__()
        self.first = nn.Linear(context + Features.SUMMARY, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 2 * DIM)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, seen):
        """Return the shift and the log of the scale, each (N, 6)."""
        out = self.last(silu(self.second(silu(self.first(seen)))))
        return out[:, :DIM], torch.clamp(out[:, DIM:], -1.0, 1.0)


class PixelFlow(nn.Module):
    """Posterior of stellar-population parameters given a pixel's photometry.

    Parameters
    ----------
    bands : int
    surviving : `physics.Surviving`
        The table of surviving mass.
    width, blocks, context, hidden, bins : int, optional
        Sizes of the residual network, the context, the conditioners and the splines.
    mass_offset : float, optional
        Typical log10 of formed mass less the logarithm of brightness and distance.
    z_max : float, optional
        Upper end of the redshift prior.
    """

    def __init__(self, bands, surviving, *, width=256, blocks=4, context=128, hidden=64,
                 bins=10, mass_offset=0.0, z_max=7.5):  # fmt: skip
        super().__init__()
        self.features = Features(bands)
        self.surviving = surviving
        self.bins, self.z_max, self.mass_offset = bins, z_max, mass_offset
        self.first = nn.Linear(self.features.size, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.to_context = nn.Linear(width, context)
        self.predict = nn.Linear(width, bands)
        self.recalibration = Recalibration(context)
        self.conditioners = nn.ModuleList(
            _Conditioner(context, d, hidden, bins) for d in range(DIM)
        )

    def encode(self, flux, flux_err, z, z_err):
        """Return context (N, C), predicted fluxes (N, B), ln brightness (N, 1), summary (N, 8).

        Computed in the encoder's own precision, see `refine`; given back in that of `flux`.
        """
        given = flux.dtype
        flux, flux_err, z, z_err = (
            t.to(self.first.weight.dtype) for t in (flux, flux_err, z, z_err)
        )
        flux, err, here = self.features.clean(flux, flux_err)
        z, z_err = z.unsqueeze(1), z_err.unsqueeze(1)
        bright = self.features.brightness(flux, err, here)
        features = self.features(flux, err, here, z, z_err)
        h = self.first(features)
        for block in self.blocks:
            h = block(h)
        h = self.norm(h)
        predicted = torch.exp(torch.clamp(self.predict(h), -20.0, 8.0) + bright)
        summary = features[:, -Features.SUMMARY :]
        return tuple(
            t.to(given) for t in (silu(self.to_context(h)), predicted, bright, summary)
        )

    def refine(self):
        """Turn the encoder to float64, for use after training.

        Steep posteriors show float32 rounding in the encoder, a few 1e-4 dex of [M/H]. The
        encoder runs once a pixel, so that its precision costs next to nothing.
        """
        encoder = (self.first, *self.blocks, self.norm, self.to_context, self.predict)
        # [M/H], the last coordinate, has the steepest splines: kinks at the grid's metallicities.
        for module in (*encoder, self.conditioners[-1]):
            module.double()
        return self

    def true_redshift(self, z, z_err, deviation):
        """The redshift that a deviation in units of the error stands for."""
        return torch.clamp(z + deviation * z_err, 0.0, self.z_max)

    def mass_reference(self, bright, z):
        """Logit of the prior probability of the mass that the brightness suggests."""
        log_mass = (
            bright / math.log(10.0) + 2.0 * self.features.distance(z)
            - torch.log10(1.0 + z) + self.mass_offset
        )  # fmt: skip
        u = torch.clamp((log_mass - 4.0) / 8.0, 0.01, 0.99)
        return torch.log(u) - torch.log(1.0 - u)

    def _before(self, base, coordinates, z, z_err):
        """What a conditioner sees of the coordinates before its own."""
        z_part = [torch.log(1.0 + z).unsqueeze(-1), (z_err / (1.0 + z)).unsqueeze(-1) * 10.0]
        seen = [torch.clamp(t, -6.0, 6.0).unsqueeze(-1) for t in (*base, *coordinates)]
        return torch.cat(seen + z_part, dim=-1)

    # The share of the spline's raw outputs; small, so that training starts smooth.
    @staticmethod
    def _split(raw):
        shift, log_scale = raw[..., 0], raw[..., 1]
        return shift, torch.clamp(log_scale - 1.0, -8.0, 3.0), raw[..., 2:]

    def _centre(self, d, bright, z):
        return self.mass_reference(bright, z) if d == 1 else None

    def log_prob(self, coordinates, flux, flux_err, z, z_err):
        """Return the log density of coordinates, and the predicted fluxes.

        Parameters
        ----------
        coordinates : tensor, shape (N, 6)
        flux, flux_err : tensor, shape (N, B)
        z, z_err : tensor, shape (N,)

        Returns
        -------
        log_prob : tensor, shape (N, 6)
            A column a coordinate; the density is their sum.
        predicted : tensor, shape (N, B)
        """
        latent, log_slope, predicted, known = self.latents(coordinates, flux, flux_err, z, z_err)
        shift, log_scale = self.recalibration(known)
        base = (latent - shift) * torch.exp(-log_scale)
        normal = -0.5 * base * base - 0.5 * math.log(2 * math.pi)
        return normal + log_slope - log_scale, predicted

    def latents(self, coordinates, flux, flux_err, z, z_err):
        """Return what the flow carries coordinates to, before the recalibration.

        Parameters as of `log_prob`.

        Returns
        -------
        latent, log_slope : tensor, shape (N, 6)
            Standard normals, and the logs of their derivatives.
        predicted : tensor, shape (N, B)
        known : tensor, shape (N, C + 8)
            Context and summary, from which the recalibration is made.
        """
        context, predicted, bright, summary = self.encode(flux, flux_err, z, z_err)
        known = torch.cat([context, summary], dim=1)
        bright = bright.squeeze(1)
        base, seen, slopes = [], [], []
        z_here = z
        for d, conditioner in enumerate(self.conditioners):
            before = self._before(base, seen, z_here, z_err)
            kind = conditioner.second.weight.dtype
            part = conditioner.from_context(context.to(kind))
            shift, log_scale, raw = self._split(conditioner(part, before.to(kind)))
            shift, log_scale, raw = (t.to(coordinates.dtype) for t in (shift, log_scale, raw))
            x = coordinates[:, d]
            centre = self._centre(d, bright, z_here)
            local = x if centre is None else x - centre
            y = (local - shift) * torch.exp(-log_scale)
            latent, log_slope = spline.inverse(y, raw, self.bins)
            slopes.append(log_slope - log_scale)
            base.append(latent)
            seen.append(local)
            if d == 0:
                z_here = self.true_redshift(z, z_err, x)
        return torch.stack(base, dim=1), torch.stack(slopes, dim=1), predicted, known

    def draw(self, flux, flux_err, z, z_err, base):
        """Return coordinates (N, S, 6) for base normals (N, S, 6), and predicted fluxes."""
        context, predicted, bright, summary = self.encode(flux, flux_err, z, z_err)
        shift, log_scale = self.recalibration(torch.cat([context, summary], dim=1))
        base = shift.unsqueeze(1) + torch.exp(log_scale).unsqueeze(1) * base
        z, z_err = z.unsqueeze(1), z_err.unsqueeze(1)
        zero = base[..., 0] * 0.0
        z_here = z
        latents, seen, out = [], [], []
        for d, conditioner in enumerate(self.conditioners):
            before = self._before(latents, seen, z_here, z_err)
            kind = conditioner.second.weight.dtype
            part = conditioner.from_context(context.to(kind)).unsqueeze(1)
            shift, log_scale, raw = self._split(conditioner(part, before.to(kind)))
            latent = base[..., d]
            bent = spline.forward(latent.to(kind), raw, self.bins)
            local = (shift + torch.exp(log_scale) * bent).to(base.dtype)
            centre = self._centre(d, bright, z_here)
            x = local if centre is None else local + centre
            latents.append(latent)
            seen.append(local)
            out.append(x)
            if d == 0:  # from here on each sample has a redshift of its own
                z_here, z_err = self.true_redshift(z, z_err, x), z_err + zero
        return torch.stack(out, dim=-1), predicted

    def parameters_from(self, coordinates, z, z_err):
        """Return physical parameters (N, S, 8), in the order of `OUTPUTS`."""
        z_true = self.true_redshift(z.unsqueeze(1), z_err.unsqueeze(1), coordinates[..., 0])
        mass = 4.0 + 8.0 * torch.clamp(torch.sigmoid(coordinates[..., 1]), 0.0, 1.0 - 1e-6)
        av = 4.0 * physics.normal_cdf(coordinates[..., 2])
        at_z = physics.age(z_true)
        start = at_z * physics.normal_cdf(coordinates[..., 3])
        tau = torch.exp(math.log(10.0) * (-2.0 + 4.0 * physics.normal_cdf(coordinates[..., 4])))
        metal = -2.3 + 2.7 * physics.normal_cdf(coordinates[..., 5])
        span = torch.clamp(at_z - start, min=1e-6)
        star = mass + self.surviving(span, tau, metal)
        sfr = mass + physics.log_sfr_tau(tau, span)
        return torch.stack([star, mass, sfr, metal, av, tau, start, z_true], dim=-1)

    def forward(self, flux, flux_err, redshift, redshift_err, base):
        """The graph of the exported model: photometry and base normals to samples."""
        coordinates, predicted = self.draw(flux, flux_err, redshift, redshift_err, base)
        return self.parameters_from(coordinates, redshift, redshift_err), predicted
