// What is measured against the weights that are left, a line per ladder.

/** What can be drawn against size: key -> {key, name, get, factor, text}; get gives an interval. */
function measuresOf() {
  const measures = {
    difference: {
      name: "accuracy minus dense, points",
      get: (of) => of.difference,
      factor: 100,
      text: (value) => signed(value, points),
      plain: points,
    },
    accuracy: { name: "accuracy, %", get: (of) => of.accuracy, factor: 100, text: points },
    stop: { name: "early-stop step", get: (of) => of.stop, factor: 1, text: round },
  };
  group.targets.forEach((target, i) => {
    measures[`steps${i}`] = {
      name: `steps to ${target.words}`,
      get: ({ arrivals: { [i]: one } }) =>
        one.steps === null ? null : { n: one.n, mean: one.steps, low: null, high: null },
      factor: 1,
      text: round,
    };
  });
  if (!group.experiments.some((of) => of.difference)) delete measures.difference;
  for (const [key, of] of Object.entries(measures)) of.key = key;
  return measures;
}

const endsOf = ({ mean, low, high }, factor) =>
  [low ?? mean, high ?? mean].map((value) => factor * value);

/**
 * Draw lines ({name, colour, dash, symbol, sizes, ring}) of experiments against their density.
 *
 * ring: the experiment that is the smallest as good as dense, or null. domain: of the weights left,
 * in percent, and range of what is measured, for charts beside each other.
 */
function sizeChart({ lines, measure, width, height, label, named, domain, range }) {
  const { svg, plot } = chartOf({ width, height, label });
  const { get, factor } = measure;
  const x = logScale(domain, [plot.left, plot.right]);
  const y = linearScale(range, [plot.bottom, plot.top]);
  const sizes = distinct(
    lines.flatMap((line) => line.sizes.map((of) => Number((100 * of.density).toPrecision(3)))),
  ).reverse();
  const isDifference = measure.key === "difference";
  drawSameAsDense(svg, plot, y, measure, isDifference);
  drawAxes(
    svg,
    plot,
    { scale: x, values: sizes, text: String, name: "weights left, % (log axis)" },
    { scale: y, name: measure.name },
  );
  svg.append(plot.inside);
  const marks = [],
    obstacles = [],
    labels = [];
  const zero = isDifference ? y(0) : null;
  if (zero !== null)
    obstacles.push({
      dots: along([
        [plot.left, zero],
        [plot.right, zero],
      ]),
      weight: 1.5,
    });
  for (const line of lines) {
    const shown = line.sizes.filter(get);
    const places = shown.map((of) => [x(100 * of.density), y(factor * get(of).mean)]);
    plot.inside.append(
      drawn("path", {
        class: "line",
        d: lineThrough(places),
        "stroke-dasharray": line.dash,
        style: `stroke:${line.colour}`,
      }),
    );
    obstacles.push({ dots: along(places), weight: 0.8, owner: line.name });
    shown.forEach((of, i) => {
      const [cx, cy] = places[i];
      const [low, high] = endsOf(get(of), factor).map(y);
      drawBar(svg, plot, cx, low, high, line.colour);
      obstacles.push({
        dots: along([
          [cx, low],
          [cx, high],
        ]),
        weight: 1,
      });
      if (cy > plot.bottom || cy < plot.top) return;
      const mark = d3.symbol().type(line.symbol).size(42)();
      const move = `translate(${cx},${cy})`;
      const style = `fill:${line.colour};stroke:var(--paper)`;
      svg.append(drawn("path", { class: "mark", d: mark, transform: move, style }));
      if (of === line.ring) {
        const ring = { class: "ring", cx, cy, r: 8.5, style: `stroke:${line.colour}` };
        svg.append(drawn("circle", ring));
        const reach = {
          rows: [size(of.density)],
          points: [
            [cx - 1, cy],
            [cx + 1, cy],
          ],
        };
        if (named) labels.push({ ...reach, colour: line.colour });
        obstacles.push({ dots: [[cx, cy]], weight: 30 });
      }
      marks.push({ x: cx, y: cy, text: wordsOf(of, measure) });
    });
    if (named) {
      const words = { rows: line.name, owner: line.name };
      labels.unshift({ ...words, points: places, colour: line.colour });
    }
  }
  if (named) {
    if (isDifference) {
      const end = [
        [plot.right - 60, zero],
        [plot.right, zero],
      ];
      labels.unshift({ rows: ["dense"], points: end, colour: "var(--dense)" });
    }
    placeLabels(svg, plot, labels, obstacles);
  }
  explain(svg, plot, marks);
  return svg;
}

/** Where dense is, and what counts as good as it. */
function drawSameAsDense(svg, plot, y, measure, isDifference) {
  const dense = group.asked.dense === null ? null : group.experiments[group.asked.dense];
  const interval = isDifference ? null : dense && measure.get(dense);
  if (!isDifference && !interval) return;
  const inside = (value) => Math.max(plot.top, Math.min(plot.bottom, value));
  const [low, high] = isDifference
    ? [y(-100 * group.margin), y(0)].map(inside)
    : endsOf(interval, measure.factor).map((value) => inside(y(value)));
  const band = { x: plot.left, width: plot.right - plot.left, y: high, height: low - high };
  const at = inside(isDifference ? y(0) : y(measure.factor * interval.mean));
  svg.append(
    drawn("rect", { class: "same", ...band }),
    drawn("line", { class: "dense", x1: plot.left, x2: plot.right, y1: at, y2: at }),
  );
  if (!isDifference)
    svg.append(
      drawn(
        "text",
        { class: "label halo", x: plot.right - 4, y: at - 6, "text-anchor": "end" },
        `dense, n ${interval.n}`,
      ),
    );
}

function wordsOf(of, measure) {
  const interval = measure.get(of);
  const late = of.stops_at_end
    ? `\nloss lowest at the last step in ${of.stops_at_end} of ${of.num_runs}`
    : "";
  const test = of.test
    ? `\ntest accuracy at the early stop ${points(of.test.mean)}${half(of.test, points)}`
    : "";
  return (
    `${of.ticket}, ${of.control}\n${size(of.density)} of the weights\n` +
    `${measure.text(interval.mean)}${half(interval, measure.plain ?? measure.text)}` +
    `  (n ${interval.n})${test}${late}`
  );
}

/** Of the weights left, in percent, from the most to the fewest, with some room. */
function domainOf(experiments) {
  const [low, high] = d3.extent(experiments, (of) => 100 * of.density);
  return low === undefined ? [100, 1] : [high * 1.08, low / 1.08];
}

/** From the least to the greatest end of what is measured. What is far from dense is cut. */
function rangeOf(experiments, measure, first = experiments) {
  const ends = (all) =>
    all.flatMap((of) => (measure.get(of) ? endsOf(measure.get(of), measure.factor) : []));
  let [low, high] = d3.extent(ends(experiments));
  if (low === undefined) return [0, 1];
  if (measure.key === "difference") {
    const far = 800 * group.margin;
    const [least = 0, most = 0] = d3.extent(ends(first));
    low = Math.max(low, Math.min(-far, least));
    high = Math.min(Math.max(high, 100 * group.margin), Math.max(far, most));
  } else {
    const dense = group.experiments[group.asked.dense];
    if (dense && measure.get(dense))
      [low, high] = d3.extent([low, high, ...endsOf(measure.get(dense), measure.factor)]);
  }
  const room = 0.05 * (high - low || 1);
  return [low - room, high + room];
}
