// Paired differences as small pictures in tables.

const FOREST = { width: 140, height: 16, room: 4 };

/**
 * A scale on which most of some intervals fit; one that is far away must not flatten the others.
 *
 * margin: what counts as the same, 0 for nothing. isRatio: for times, on a log axis around 1.
 */
function forestScale(intervals, { margin = 0, isRatio = false } = {}) {
  const far = (value) => Math.abs(isRatio ? Math.log(value) : value);
  const reach = intervals
    .filter(Boolean)
    .map(({ mean, low, high }) => Math.max(far(low ?? mean), far(high ?? mean)));
  const most = Math.max(3 * margin, d3.quantile(reach.sort(d3.ascending), 0.6) || 0, 1e-9);
  const range = [FOREST.room, FOREST.width - FOREST.room];
  const scale = isRatio
    ? logScale([Math.exp(-most), Math.exp(most)], range)
    : linearScale([-most, most], range);
  scale.clamp(true);
  return Object.assign(scale, { margin, middle: FOREST.width / 2 });
}

/** An interval on such a scale; an arrow says that it goes on. */
function forest({ mean, low, high }, scale, colour) {
  const { width, height } = FOREST;
  const [first, last] = scale.domain();
  const [from, to] = [low ?? mean, high ?? mean];
  const middle = height / 2;
  const style = `fill:${colour}`;
  return drawn(
    "svg",
    { class: "forest", width, height, "aria-hidden": "true" },
    scale.margin
      ? drawn("rect", {
          class: "margin",
          x: scale(-scale.margin),
          width: scale(scale.margin) - scale(-scale.margin),
          height,
        })
      : null,
    drawn("line", { class: "axis", x1: 4, x2: width - 4, y1: middle, y2: middle }),
    drawn("line", { class: "zero", x1: scale.middle, x2: scale.middle, y1: 0, y2: height }),
    drawn("line", {
      class: "ci",
      x1: scale(from),
      x2: scale(to),
      y1: middle,
      y2: middle,
      style: `stroke:${colour}`,
    }),
    from < first ? drawn("path", { d: "M0,8l7,-4v8z", style }) : null,
    to > last ? drawn("path", { d: `M${width},8l-7,-4v8z`, style }) : null,
    mean >= first && mean <= last
      ? drawn("circle", { class: "mark", cx: scale(mean), cy: middle, r: 4, style })
      : null,
  );
}
