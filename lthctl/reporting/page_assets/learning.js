// Learning curves: means over seeds with their intervals, and when a target is reached.

const METRICS = {
  accuracy: "validation accuracy, %",
  loss: "validation loss",
  train_loss: "training loss",
};

/** A mean over as many evaluations before as after; fewer at both ends, so that none leans. */
function smooth(values, window) {
  const most = Math.floor(window / 2);
  return values.map((value, i) => {
    const half = Math.min(most, i, values.length - 1 - i);
    return value === null ? null : d3.mean(values.slice(i - half, i + half + 1));
  });
}

/** A mean at every evaluation that all curves have. */
function meanOf(curves) {
  if (curves.length === 1) return curves[0];
  return group.curves.steps.map((_, s) => {
    const values = curves.map((curve) => curve[s] ?? null);
    return values.every((value) => value !== null) ? d3.mean(values) : null;
  });
}

/**
 * The curve of an experiment: of one seed, or the mean over all with its interval. Draws of a
 * control are averaged within their seed.
 */
function curveOf(index, { metric = "accuracy", seed = "mean", window = 1 } = {}) {
  const chosen = d3
    .range(group.runs.length)
    .filter((i) => group.runs[i][RUN.experiment] === index)
    .filter((i) => seed === "mean" || group.runs[i][RUN.seed] === Number(seed));
  const curves = grouped(chosen, (i) => group.runs[i][RUN.seed]).map(([, draws]) =>
    meanOf(draws.map((i) => group.curves[metric][i])),
  );
  const quantile = group.quantiles[curves.length];
  const raw = [],
    ends = [];
  for (const s of group.curves.steps.keys()) {
    const values = curves.map((curve) => curve[s] ?? null);
    const whole = values.length && values.every((value) => value !== null);
    const mean = whole ? d3.mean(values) : null;
    raw.push(mean);
    const wide = whole && quantile !== undefined;
    const room = wide ? (quantile * d3.deviation(values)) / Math.sqrt(values.length) : null;
    ends.push(wide ? [mean - room, mean + room] : null);
  }
  return {
    experiment: group.experiments[index],
    n: curves.length,
    raw,
    values: smooth(raw, window),
    ends: window > 1 ? null : ends,
  };
}

/** The steps that training takes to a target: a mean where all runs of an experiment arrive. */
const arrivalOf = (experiment, target) => experiment.arrivals[target];

/**
 * Draw curves ({...curveOf, name, colour, dash, band}).
 *
 * target: {accuracy, index} or null. until: the last step shown, if not all are. sooner: [line,
 * other line], between which an arrow is drawn.
 */
function learningChart(chart) {
  const { metric, target, until, sooner, width, height, label, named } = chart;
  const { svg, plot } = chartOf({ width, height, label });
  const trained = group.curves.steps.at(-1);
  const steps = group.curves.steps.filter((step) => step <= (until ?? Infinity));
  const curves = chart.curves.map((curve) => shownOf(curve, steps.length));
  const factor = metric === "accuracy" ? 100 : 1;
  const x = linearScale([0, steps.at(-1)], [plot.left, plot.right]);
  const y = linearScale(heightsOf(curves, target, factor), [plot.bottom, plot.top]);
  drawAxes(
    svg,
    plot,
    { scale: x, text: count, name: `training steps${until ? `, of ${count(trained)}` : ""}` },
    { scale: y, name: METRICS[metric] },
  );
  svg.append(plot.inside);
  const place = (value, s) => (value === null ? null : [x(steps[s]), y(factor * value)]);
  for (const { ends, band, colour } of curves) {
    if (!band || !ends?.some(Boolean)) continue;
    const area = d3
      .area()
      .x((_, s) => x(steps[s]))
      .y0((end) => y(factor * end[0]))
      .y1((end) => y(factor * end[1]))
      .defined((end) => end !== null);
    const style = `fill:${colour};fill-opacity:.13`;
    plot.inside.append(drawn("path", { class: "band", d: area(ends), style }));
  }
  const obstacles = [];
  for (const curve of curves) {
    curve.points = curve.values.map(place);
    plot.inside.append(
      drawn("path", {
        class: "curve",
        d: lineThrough(curve.points),
        "stroke-width": curve.band || isDense(curve.experiment) ? 2.2 : 1.7,
        "stroke-dasharray": curve.dash,
        style: `stroke:${curve.colour}`,
      }),
    );
    obstacles.push({ dots: along(curve.points), weight: 0.6, owner: curve.name });
  }
  const taken = target ? drawArrivals(svg, plot, { curves, target, sooner, x, y }, obstacles) : [];
  if (named) {
    const corner = [
      [plot.right - 150, plot.bottom - 9],
      [plot.right - 60, plot.bottom - 9],
    ];
    const labels = curves.map(({ name, points, colour }) =>
      points.some((point) => point && point[1] < plot.bottom)
        ? { rows: name, points, colour, owner: name }
        : { rows: [`${name.join(" ")} ↓`], points: corner, colour },
    );
    placeLabels(svg, plot, labels, obstacles, taken);
  }
  explain(svg, plot, columnsOf(curves, x, metric), true);
  return svg;
}

/** A curve without what comes after its first evaluations. */
const shownOf = (curve, num) => ({
  ...curve,
  raw: curve.raw.slice(0, num),
  values: curve.values.slice(0, num),
  ends: curve.ends?.slice(0, num),
});

/**
 * What is shown of the values: from as far below the target as they get above it. Curves that stay
 * lower are seen too, unless they would flatten the others.
 */
function heightsOf(curves, target, factor) {
  const heights = curves.map(({ raw }) => d3.max(raw, (value) => value ?? undefined));
  const highest = d3.max(heights);
  if (target && highest > target.accuracy) {
    const above = Math.max(highest - target.accuracy, 0.002);
    const ends = curves.flatMap(({ ends }) => (ends ?? []).filter(Boolean).map((end) => end[1]));
    const top = Math.min(d3.max([highest, ...ends]), highest + 0.35 * above);
    const near = heights.filter((height) => height > target.accuracy - 6 * above);
    const low = Math.min(target.accuracy - 0.9 * above, d3.min(near) - 0.5 * above);
    return [low, top + 0.05 * above].map((value) => factor * value);
  }
  // The start of a training is a cliff: leave out what the first tenth of the steps would need.
  const from = Math.floor(group.curves.steps.length / 10);
  const range = d3.extent(curves.flatMap(({ raw }) => raw.slice(from)).filter((v) => v !== null));
  const [low, high] = range[0] === undefined ? [0, 1] : range;
  const more = 0.04 * (high - low || 1 / factor);
  return [low - more, high + more].map((value) => factor * value);
}

/** The target as a line, a dot where each curve's runs reach it, and the steps below. */
function drawArrivals(svg, plot, { curves, target, sooner, x, y }, obstacles) {
  const height = y(100 * target.accuracy);
  if (!(height >= plot.top && height <= plot.bottom)) return [];
  const level = { x1: plot.left, x2: plot.right, y1: height, y2: height };
  svg.append(drawn("line", { class: "target", ...level }));
  const taken = [];
  const arrived = ordered(
    curves
      .map((curve) => ({ ...curve, steps: arrivalOf(curve.experiment, target.index).steps }))
      .filter(({ steps }) => steps !== null),
    ({ steps }) => steps,
  );
  const rows = [];
  for (const { steps, colour } of arrived) {
    const [at, text] = [x(steps), round(steps)];
    const half = textWidth(text, "600 12px") / 2 + 3;
    const row = d3.range(arrived.length).find((i) => !((rows[i] ?? -1) > at - half));
    rows[row] = at + half;
    const foot = plot.bottom - 5 - 15 * row;
    svg.append(
      drawn("line", {
        class: "drop",
        x1: at,
        x2: at,
        y1: height,
        y2: foot - 12,
        style: `stroke:${colour}`,
      }),
      drawn(
        "text",
        { class: "arrival halo", x: at, y: foot, "text-anchor": "middle", style: `fill:${colour}` },
        text,
      ),
    );
    taken.push({ x0: at - half, x1: at + half, y0: foot - 12, y1: foot + 3 });
    obstacles.push({
      dots: along(
        [
          [at, height],
          [at, foot],
        ],
        6,
      ),
      weight: 0.7,
    });
  }
  for (const { steps } of arrived) obstacles.push({ dots: [[x(steps), height]], weight: 20 });
  drawSooner(svg, plot, { arrived, sooner, target, x, height }, obstacles, taken);
  for (const { steps, colour } of arrived) {
    const dot = { class: "arrives", cx: x(steps), cy: height, r: 5.5 };
    svg.append(drawn("circle", { ...dot, style: `fill:${colour}` }));
  }
  const words = { rows: [target.words], colour: "var(--soft)", kind: "quiet halo" };
  const end = [
    [plot.right - 70, height],
    [plot.right - 40, height],
  ];
  placeLabels(svg, plot, [{ ...words, points: end }], obstacles, taken);
  return taken;
}

/** An arrow from when dense arrives to when the ticket does. */
function drawSooner(svg, plot, { arrived, sooner, target, x, height }, obstacles, taken) {
  if (!sooner) return;
  const [own, other] = sooner.map((experiment) =>
    arrived.find((curve) => curve.experiment === experiment),
  );
  const than = own && arrivalOf(own.experiment, target.index).than.dense;
  if (!own || !other || !than?.times || own.steps === other.steps) return;
  if (!(than.times.low > 1 || (than.times.high ?? 1) < 1)) return; // nobody knows which is sooner
  const [from, to] = [x(other.steps), x(own.steps)];
  const way = Math.sign(to - from);
  if (Math.abs(to - from) > 18) {
    const tipAt = to - 7 * way;
    const style = `stroke:${own.colour}`;
    svg.append(
      drawn("line", { class: "sooner", x1: from, x2: tipAt, y1: height, y2: height, style }),
      drawn("path", {
        d: `M${tipAt},${height}l${-9 * way},-5v10z`,
        style: `fill:${own.colour}`,
      }),
    );
    obstacles.push({
      dots: along([
        [from, height],
        [to, height],
      ]),
      weight: 4,
    });
  }
  const { mean } = than.times;
  const word = mean < 1 ? "later" : "sooner";
  const text = `${(mean < 1 ? 1 / mean : mean).toFixed(1)} × ${word}`;
  const middle = [
    [(from + to) / 2 - 4, height],
    [(from + to) / 2 + 4, height],
  ];
  placeLabels(svg, plot, [{ rows: [text], colour: own.colour, points: middle }], obstacles, taken);
}

function columnsOf(curves, x, metric) {
  const text = metric === "accuracy" ? points : (value) => value.toFixed(4);
  return group.curves.steps.slice(0, curves[0]?.values.length).map((step, s) => {
    const ranked = ordered(
      curves.filter(({ values }) => values[s] !== null),
      ({ values }) => (metric === "accuracy" ? -1 : 1) * values[s],
    );
    const lines = ranked.map(({ values, name }) => `${text(values[s])}  ${name.join(" ")}`);
    return { x: x(step), text: [`step ${count(step)}`, ...lines].join("\n") };
  });
}
