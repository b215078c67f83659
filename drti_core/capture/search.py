"""The search for faults: each photograph is compared with what the others say of it.

Faults hide one another: a dark frame spoils its neighbours' predictions, and an exchanged one seems
too bright. So what is found is put right in a copy (brightness and place) or left out (misfires and
wrong lights), and the rest is looked at again, until nothing new turns up.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from drti_core.arrays import F32, F64, Bool, Indices
from drti_core.capture import predict, refine
from drti_core.capture.finding import Finding
from drti_core.capture.reflection import angles
from drti_core.capture.steady import steadiness
from drti_core.capture.survey import Survey
from drti_core.colour import linear_to_srgb, srgb_to_linear
from drti_core.lights import LightDirections
from drti_core.lights.kriging import Kriging
from drti_core.progress import Progress

#: Stops (factors of two) below its prediction at which a photograph is a misfire, and off it at
#: which its exposure is another one; how much more than it varies over the picture that must be.
_MISFIRE, _EXPOSURE, _UNIFORM = -2.4, 0.45, 2.0
#: Share of the plainest other exposure, or wrong light, from which on others are told at once.
_PLAINEST = 0.7
#: Pixels by which a photograph must be moved, and how sure that must be.
_MOVED, _SURE = 1.5, 7.0
#: Pixels from its prediction within which a photograph is where it should be.
_IN_PLACE = 0.5
#: Error of a moved photograph put back, as a share of that as it is, where it was moved indeed.
_PUT_BACK = 0.7
#: Sharpness, as log2 of the fine detail's share of energy, below which a photograph is blurred.
_BLURRED = -0.5
#: Of robust deviations over all photographs, what must be exceeded as well.
_DEVIATIONS = 6.0
#: Errors with two lights exchanged, as a share of those as they stand, that tell an exchange: of
#: both photographs together, and of each.
_EXCHANGED, _EACH = 0.8, 0.9
#: An error, as a multiple of the usual one, above which a photograph is not where it belongs,
#: unless it fell to such a share.
_AT_HOME, _PLAIN = 4.0, 0.3
#: Degrees by which a light must be wrong; the error there as a share of that at its own light where
#: looks tell it as well, and where they do not.
_WRONG, _BETTER, _MUCH_BETTER = 12.0, 0.8, 0.3
#: Degrees from the other's light that looks tell of two photographs, as a share of those from
#: their own, below which they were exchanged.
_EACH_OTHERS = 0.5
#: Of the plainest wrong light's share, up to which others are told beside it at once.
_AS_PLAIN = 2.0
#: An error at its own light, as a multiple of the usual one, below which a light is never wrong.
_FAR_WORSE = 3.0
#: Error at another light, as a share of that of a picture made as bright as it should be, from
#: which on it is the light that is wrong and not the exposure.
_RATHER = 0.7
#: Directions that are tried for each photograph.
_TRIED = 400


class Search:
    """The state of a search for faults among L photographs."""

    def __init__(self, lights: LightDirections, seen: Survey, *, quick: bool) -> None:
        self.lights, self.seen, self.quick = lights, seen, quick
        self.encoded = seen.encoded()
        self._kernels: dict[tuple[bytes, ...], Kriging] = {}
        count = len(lights)
        self.stops, self.moved = np.zeros(count), np.zeros((count, 2))
        self.sharpness, self.light_off = np.zeros(count), np.zeros(count)
        self.dark = np.zeros(count, bool)
        self.other_exposure, self.elsewhere = np.zeros(count, bool), np.zeros(count, bool)
        self.blurred, self.wrong = np.zeros(count, bool), np.zeros(count, bool)
        #: What the camera took from another place, told without a prediction.
        self.stood = steadiness(seen.small, seen.step)
        self.elsewhere |= self.stood.moved
        self.moved[self.stood.moved] = self.stood.shifts[self.stood.moved][:, ::-1]
        self.exchanged: list[tuple[int, int]] = []
        self.best_lights: LightDirections | None = None
        #: Which photograph's light each photograph has, in truth.
        self.order = np.arange(count)

    @property
    def own_lights(self) -> LightDirections:
        """Of the photographs, with exchanged ones put back."""
        return self.lights[self.order]

    @property
    def sound(self) -> Bool:
        """Which photographs others may be predicted from."""
        return ~(self.dark | self.other_exposure | self.elsewhere | self.blurred | self.wrong)

    def run(self, progress: Progress) -> None:
        """Look until nothing new turns up, three times at most."""
        # First of all: the wrong light of an exchanged photograph looks like a wrong exposure.
        usable = ~self.elsewhere
        self._exchange(self._kernel(self.encoded, usable), _moment(self.encoded), usable)
        for number in range(3):
            before = self._state()
            first = number == 0
            self._pixels(first)
            progress((number + 0.5) / 3, "predicting each photograph from the others")
            self._lights(self.quick or first)
            progress((number + 1) / 3, "predicting each photograph from the others")
            if number and self._state() == before:
                break

    def _state(self) -> tuple[bytes, ...]:
        return (self.sound.tobytes(), self.order.tobytes())

    def _pixels(self, quick: bool) -> None:
        """Brightness, place and sharpness, each beside its prediction."""
        encoded = self.encoded
        sound = self.sound
        kernel = self._kernel(encoded, sound)
        weights = predict.predictors(kernel, self.own_lights, sound)
        count = len(encoded)
        for number in range(3):
            predicted = srgb_to_linear(np.maximum(_apply(weights, encoded), 0))
            before = self.sound
            self._brightness(predicted, before, plainest=number == 0)
            if (self.sound == before).all():
                break
            weights = predict.predictors(kernel, self.own_lights, self.sound)
        self._spare_wrong_lights(kernel, weights, encoded)
        if quick:
            return
        close = _apply(weights, self.seen.close)
        sure, sharp, better = np.zeros(count, bool), np.zeros((count, 3)), np.ones(count)
        in_place = np.zeros(count, bool)
        for i in range(count):
            # As bright as the photograph, so that noise and clipping weigh alike.
            own = predict.place(self.seen.close[i], close[i])
            far = predict.place(encoded[i][None], linear_to_srgb(predicted[i])[None])
            step = self.seen.step
            if far.distance * step > self.seen.close.shape[-1] / 4 and far.sure > _SURE:
                self.moved[i] = far.y * step, far.x * step
                better[i] = predict.put_back(encoded[[i]], linear_to_srgb(predicted[[i]]), far)
            else:
                self.moved[i] = own.y, own.x
                better[i] = predict.put_back(self.seen.close[i], close[i], own)
                in_place[i] = own.sure > _SURE and own.distance < _IN_PLACE
            sure[i] = own.sure > _SURE and better[i] < _PUT_BACK
            if not sure[i]:
                self.moved[i] = 0
            sharp[i] = predict.sharpness(self.seen.close[i], close[i])
        distance = np.hypot(*self.moved.T)
        usual = _DEVIATIONS * _deviation(distance[sound])
        self.elsewhere = ~self.dark & sure
        self.elsewhere &= distance > max(_MOVED, float(np.median(distance[sound])) + usual)
        for i in np.flatnonzero(self.elsewhere).tolist():
            # The shades of relief are elsewhere too under a wrong light.
            if self._another_light(i, kernel, close[i]) < better[i]:
                self.elsewhere[i], self.moved[i] = False, 0
        # What surely lies on its prediction did not move, whatever its edges say.
        known = self.stood.moved & ~self.dark & ~self.elsewhere & ~in_place
        self.moved[known] = self.stood.shifts[known][:, ::-1]
        self.elsewhere |= known
        sharp -= np.median(sharp[sound], axis=0)
        spread = np.array([_DEVIATIONS * _deviation(column) for column in sharp[sound].T])
        self.sharpness = sharp.min(axis=1)
        # Noise alone may take the finest detail, and shading the coarsest.
        lacking = sharp < np.minimum(_BLURRED, -spread)
        self.blurred = ~self.dark & (lacking[:, 1] | (lacking[:, 0] & lacking[:, 2]))

    def _brightness(self, predicted: F32, sound: Bool, *, plainest: bool) -> None:
        """Misfires and other exposures; at first the plainest, which spoil their neighbours."""
        small = self.seen.small
        pairs = zip(small, predicted, strict=True)
        self.stops, varies = np.array([predict.exposure(*pair) for pair in pairs]).T
        brightness, expected = (a.reshape(len(a), -1).mean(axis=1) for a in (small, predicted))
        self.dark = np.log2((brightness + 1e-6) / (expected + 1e-6)) < _MISFIRE
        usual = _DEVIATIONS * _deviation(self.stops[sound])
        off = np.abs(self.stops - np.median(self.stops[sound]))
        self.other_exposure = ~self.dark & (off > np.maximum(_EXPOSURE, usual))
        self.other_exposure &= off > _UNIFORM * varies
        if plainest and self.other_exposure.any():
            self.other_exposure &= off > _PLAINEST * off[self.other_exposure].max()

    def _another_light(self, i: int, kernel: Kriging, close: F32) -> float:
        """Error of a photograph's detail under the light that suits it best, far from its own.

        Args:
            i: the photograph.
            kernel: of the lights.
            close: (N, s, s) its close looks, predicted under its own light.

        Returns:
            As a share of the error under its own light.
        """
        rest = np.flatnonzero(self.sound & (np.arange(len(self.encoded)) != i))
        flat = self.encoded.reshape(len(self.encoded), -1)
        weights = self._elsewhere_weights(i, kernel, rest)
        best = weights[[int(np.argmin(_shares(flat[[i]], flat[rest], weights)))]]
        return predict.detail_share(
            self.seen.close[i], close, _apply(best, self.seen.close[rest])[0]
        )

    def _elsewhere_weights(self, i: int, kernel: Kriging, rest: Indices) -> F64:
        """(n, len(rest)) that predict under directions far from a photograph's light."""
        tried = LightDirections.spread(_TRIED)
        far = angles(tried.xyz, self.own_lights[[i]].xyz) > _WRONG
        return kernel.weights(self.own_lights[rest], tried[np.flatnonzero(far)])

    def _spare_wrong_lights(self, kernel: Kriging, weights: F64, encoded: F32) -> None:
        """No other exposure where another light explains the brightness better."""
        flat = encoded.reshape(len(encoded), -1)
        for i in np.flatnonzero(self.other_exposure).tolist():
            rest = np.flatnonzero(self.sound)
            candidates = self._elsewhere_weights(i, kernel, rest)
            as_bright = linear_to_srgb(np.minimum(self.seen.small[i] * 2 ** -self.stops[i], 1))
            mended = as_bright.reshape(1, -1)
            at_own = _shares(mended, flat[rest], weights[[i]][:, rest])
            elsewhere = _shares(flat[[i]], flat[rest], candidates)
            if elsewhere.min() < _RATHER * at_own.min():
                self.other_exposure[i] = False

    def _kernel(self, encoded: F32, sound: Bool) -> Kriging:
        """The kernel of these pictures, chosen once as long as nothing new is known of them."""
        same = encoded is self.encoded
        key = (self.order.tobytes(), sound.tobytes())
        if not same or key not in self._kernels:
            chosen = predict.kernel_of(self.own_lights, encoded, sound)
            if not same:
                return chosen
            self._kernels[key] = chosen
        return self._kernels[key]

    def _mended(self) -> F32:
        """(L, h, w) sRGB encoded pictures, as bright and where they should be."""
        if not (self.other_exposure | self.elsewhere).any():
            return self.encoded
        pictures = self.seen.small.copy()
        for i in np.flatnonzero(self.other_exposure):
            pictures[i] *= 2 ** -self.stops[i]
        for i in np.flatnonzero(self.elsewhere):
            rows, columns = np.rint(self.moved[i] / self.seen.step).astype(int).tolist()
            pictures[i] = np.roll(pictures[i], (-rows, -columns), axis=(0, 1))
        return linear_to_srgb(np.minimum(pictures, 1))

    def _lights(self, quick: bool) -> None:
        """Exchanged lights, then wrong ones; those known to be wrong so far tell nothing."""
        encoded = self._mended()
        usable = ~self.dark
        left_out = usable & self.wrong
        kernel = self._kernel(encoded, usable & ~left_out)
        moment = _moment(encoded)
        self._exchange(kernel, moment, usable & ~left_out)
        suspects = self._suspects(encoded, usable, left_out, quick)
        self._wrong_lights(kernel, moment, usable, suspects, left_out)
        if self._other_exchanges():
            suspects = self._suspects(encoded, usable, left_out, quick)
            self._wrong_lights(kernel, moment, usable, suspects, left_out)
        self.light_off[self.dark] = 0

    def _suspects(self, encoded: F32, usable: Bool, left_out: Bool, quick: bool) -> Bool:
        """(L,) whose looks the others' looks and lights contradict; all lights by the looks."""
        self.light_off = np.zeros(len(encoded))
        known = usable & ~left_out
        if quick or known.sum() <= refine.FEWEST:
            return np.zeros(len(encoded), bool)
        told = refine.estimate(refine.looks_of(encoded), self.own_lights, known, tolerated=_WRONG)
        self.light_off = angles(told.lights.xyz, self.own_lights.xyz)
        self.best_lights = told.lights
        return usable & told.contradicts

    def _exchange(self, kernel: Kriging, moment: F64, sound: Bool) -> None:
        """Put exchanged lights in order, the plainest pair first.

        Args:
            kernel: of the lights.
            moment: (L, L) the pictures' mean product with one another.
            sound: (L,) whose lights may be exchanged and tell others.
        """
        self.order, self.exchanged = np.arange(len(moment)), []
        while len(self.exchanged) < len(moment) // 4:
            pair = self._plainest_exchange(kernel, moment, np.flatnonzero(sound))
            if pair is None:
                break
            self._put_back(pair)
        self.exchanged.sort()

    def _put_back(self, pair: tuple[int, int]) -> None:
        one, other = pair
        self.exchanged.append(pair)
        self.order[[one, other]] = self.order[[other, one]]

    def _other_exchanges(self) -> bool:
        """Undo exchanges that leave a light wrong; put in order which looks tell; any of either.

        Looks tell that two photographs have each other's light; one of them at least is wrong.
        """
        undone = [pair for pair in self.exchanged if self.wrong[list(pair)].any()]
        for one, other in undone:
            self.exchanged.remove((one, other))
            self.order[[one, other]] = self.order[[other, one]]
        found: list[tuple[int, int]] = []
        if self.best_lights is not None:
            own = self.own_lights.xyz.astype(np.float64)
            to = np.array([angles(self.best_lights.xyz, light) for light in own]).T
            off = np.diag(to)
            far = (to + to.T) / np.maximum(off[:, None] + off, 1e-9)
            far[(to > off[:, None]) | (off < to.T) | ~(self.wrong[:, None] | self.wrong)] = np.inf
            far[[i for pair in (*self.exchanged, *undone) for i in pair]] = np.inf
            far = np.maximum(far, far.T) + np.where(np.tri(len(far), dtype=bool), np.inf, 0)
            while far.min() < _EACH_OTHERS:
                one, other = (int(i) for i in np.unravel_index(int(np.argmin(far)), far.shape))
                found.append((one, other))
                far[[one, other]] = far[:, [one, other]] = np.inf
        for pair in found:
            self._put_back(pair)
        self.exchanged.sort()
        return bool(undone or found)

    def _plainest_exchange(
        self, kernel: Kriging, moment: F64, rest: Indices
    ) -> tuple[int, int] | None:
        """The pair of which each is much better predicted under the other's light."""
        pairs = list(combinations(range(len(rest)), 2))
        part = moment[np.ix_(rest, rest)]
        lights = self.own_lights[rest]
        weights = np.array(list(kernel.without(lights, [np.array(pair) for pair in pairs])))
        one, other = np.array(pairs).T
        at_one, at_other = weights[:, 0], weights[:, 1]
        as_is = _errors(part, one, at_one), _errors(part, other, at_other)
        changed = _errors(part, one, at_other), _errors(part, other, at_one)
        share = (changed[0] + changed[1]) / np.maximum(as_is[0] + as_is[1], 1e-12)
        usual = float(np.median(as_is))
        good = share < _EXCHANGED
        for before, after in zip(as_is, changed, strict=True):
            good &= after < _EACH * before
            good &= (after < _AT_HOME * usual) | (after < _PLAIN * before)
        taken = np.isin(rest, [i for pair in self.exchanged for i in pair])
        good &= ~(taken[one] | taken[other])
        if not good.any():
            return None
        best = int(np.argmin(np.where(good, share, np.inf)))
        return int(rest[one[best]]), int(rest[other[best]])

    def _wrong_lights(
        self, kernel: Kriging, moment: F64, usable: Bool, suspects: Bool, left_out: Bool
    ) -> None:
        """Lights under which the others predict their photographs far worse than under another.

        A wrong light makes those around it look wrong; so at first the plainest are told alone.
        """
        tried = LightDirections.spread(_TRIED)
        share, best = np.ones(len(moment)), self.own_lights.xyz.copy()
        as_is = np.zeros(len(moment))
        beside = suspects | left_out
        rest = np.flatnonzero(usable & ~beside)
        part = moment[np.ix_(rest, rest)]
        places = LightDirections(np.vstack([self.own_lights.xyz, tried.xyz]))
        every = kernel.weights(self.own_lights[rest], places)
        without = kernel.weights_without_each(self.own_lights[rest], places)
        for i in np.flatnonzero(usable).tolist():
            own = self.own_lights[[i]]
            candidates = LightDirections(np.vstack([own.xyz, tried.xyz]))
            weights = every if beside[i] else next(without)
            weights = weights[[i, *range(len(moment), len(places))]]
            errors = moment[i, i] - 2 * weights @ moment[rest, i]
            errors += ((weights @ part) * weights).sum(axis=1)
            far = angles(candidates.xyz, own.xyz) > _WRONG
            errors[~far & (np.arange(len(errors)) > 0)] = np.inf
            chosen = 1 + int(np.argmin(errors[1:]))
            share[i] = max(errors[chosen], 0) / max(errors[0], 1e-12)
            best[i], as_is[i] = candidates.xyz[chosen], errors[0]
        usual = float(np.quantile(share[usable], 0.1))
        alone = usable & ~suspects & (share < min(_MUCH_BETTER, _MUCH_BETTER * usual))
        alone &= as_is > _FAR_WORSE * np.median(as_is[usable])
        by_looks = (suspects | left_out & (self.light_off > _WRONG)) & (share < _BETTER)
        by_looks &= ~alone
        if not left_out.any():
            alone &= share <= _AS_PLAIN * np.min(share[alone], initial=1)
            by_looks &= self.light_off > _PLAINEST * np.max(self.light_off[by_looks], initial=0)
        self.wrong = by_looks | alone
        told = self.own_lights if self.best_lights is None else self.best_lights
        lights = np.where(alone[:, None], best, told.xyz)
        self.best_lights = LightDirections(lights)
        self.light_off = np.where(
            alone | self.quick & self.wrong,
            angles(self.best_lights.xyz, self.own_lights.xyz),
            self.light_off,
        )

    def findings(self, names: Sequence[str]) -> list[Finding]:
        """What was found, in words."""
        found = []
        for i in np.flatnonzero(self.dark).tolist():
            found.append(Finding("misfire", (i,), f"{names[i]} is dark: a misfire"))
        for pair in self.exchanged:
            one, other = (names[i] for i in pair)
            found.append(
                Finding("exchanged", pair, f"{one} and {other} have each other's light: exchanged")
            )
        for i in np.flatnonzero(self.wrong & ~self.dark).tolist():
            off = float(self.light_off[i])
            text = f"the light of {names[i]} seems {off:.0f} degrees wrong"
            found.append(Finding("light", (i,), text, off))
        for i in np.flatnonzero(self.other_exposure).tolist():
            stops = float(self.stops[i])
            times = f"{2**stops:.2g} times as bright as the others say"
            found.append(Finding("exposure", (i,), f"{names[i]} is {times}", stops))
        for i in np.flatnonzero(self.elsewhere).tolist():
            y, x = self.moved[i].tolist()
            far = float(np.hypot(y, x))
            text = f"{names[i]} is moved by {far:.1f} pixels ({x:+.1f} right, {y:+.1f} down)"
            found.append(Finding("moved", (i,), text, far))
        for i in np.flatnonzero(self.blurred).tolist():
            found.append(
                Finding("blurred", (i,), f"{names[i]} is blurred", float(self.sharpness[i]))
            )
        return found


def _apply(weights: F64, pictures: F32) -> F32:
    """Pictures (n, …) made of pictures (L, …) by (n, L) weights."""
    flat = pictures.reshape(len(pictures), -1)
    return (weights.astype(np.float32) @ flat).reshape(len(weights), *pictures.shape[1:])


def _moment(encoded: F32) -> F64:
    """(L, L) mean product of pictures (L, …) with one another, without what is in all."""
    flat = encoded.reshape(len(encoded), -1)
    flat = flat - flat.mean(axis=0)
    return np.asarray((flat @ flat.T / flat.shape[1]).astype(np.float64))


def _errors(moment: F64, photographs: Indices, weights: F64) -> F64:
    """(n,) mean squared errors of photographs made of the others by (n, L) weights."""
    made = np.einsum("ni,ni->n", weights @ moment, weights)
    across = np.einsum("ni,ni->n", weights, moment[photographs])
    return np.asarray(moment[photographs, photographs] - 2 * across + made)


def _shares(picture: F32, others: F32, weights: F64) -> F64:
    """(n,) errors of one picture (1, P) made of others (L, P) by (n, L) weights, as its share."""
    own = float(np.sum(np.square(picture), dtype=np.float64))
    gram, across = (others @ others.T).astype(np.float64), (others @ picture[0]).astype(np.float64)
    made = np.einsum("ni,ni->n", weights @ gram, weights)
    return np.asarray((own - 2 * weights @ across + made) / max(own, 1e-9))


def _deviation(values: F64) -> float:
    """A robust standard deviation."""
    return float(1.48 * np.median(np.abs(values - np.median(values))))
