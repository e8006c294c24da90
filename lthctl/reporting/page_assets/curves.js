// Section 4: learning curves.

const curves = { metric: "accuracy", control: null, way: null, seed: "mean", smoothing: 0 };
const METRICS = {
  accuracy: "validation accuracy",
  loss: "validation loss",
  train_loss: "training loss",
};

/** Exponential moving average that does not lean towards where it started. */
function smooth(values, weight) {
  let total = 0,
    sum = 0;
  return values.map((value) => {
    if (value === null) return null;
    total = weight * total + (1 - weight) * value;
    sum = weight * sum + (1 - weight);
    return total / sum;
  });
}

function drawCurves() {
  const wayOf = (experiment) => `${experiment.method} ${experiment.rounds}`;
  const pruned = group.experiments.filter((experiment) => experiment.method !== "dense");
  const ways = grouped(pruned, wayOf).map(([value, [experiment]]) => [
    value,
    `${experiment.method}, ${roundsOf(experiment.rounds)}`,
  ]);
  const controls = [...CONTROLS.keys()].filter((control) =>
    group.experiments.some((experiment) => experiment.control === control),
  );
  if (!ways.some(([value]) => value === curves.way))
    curves.way = (ways.filter(([value]) => value.startsWith("l1 ")).at(-1) ?? ways[0] ?? [null])[0];
  if (!controls.includes(curves.control)) curves.control = controls[0];
  const seeds = distinct(group.runs.map((run) => run[RUN.seed]));
  if (curves.seed !== "mean" && !seeds.includes(Number(curves.seed))) curves.seed = "mean";
  const set = (name) => (value) => {
    curves[name] = value;
    drawCurveFigure();
  };
  const amount = make("output", {}, curves.smoothing.toFixed(2));
  const slider = make("input", {
    type: "range",
    id: "smoothing",
    min: 0,
    max: 0.95,
    step: 0.05,
    value: curves.smoothing,
    oninput: () => {
      curves.smoothing = Number(slider.value);
      amount.textContent = curves.smoothing.toFixed(2);
      drawCurveFigure();
    },
  });
  put(
    "curve-controls",
    select("of", Object.entries(METRICS), curves.metric, set("metric")),
    ...(ways.length ? [select("pruned by", ways, curves.way, set("way"))] : []),
    select(
      "control",
      controls.map((control) => [control, control]),
      curves.control,
      set("control"),
    ),
    select(
      "seed",
      [["mean", "mean over seeds"], ...seeds.map((seed) => [seed, `seed ${seed}`])],
      curves.seed,
      set("seed"),
    ),
    make("label", {}, "smoothing", slider, amount),
  );
  put(
    "curves-note",
    data.thinned > 1
      ? `Curves are thinned: this page has one evaluation in ${data.thinned}, and the last one. ` +
          "All are in the history.csv of the runs."
      : "",
  );
  drawCurveFigure();
}

function drawCurveFigure() {
  const place = find("curves-figure");
  const { steps } = group.curves;
  const width = Math.max(320, room),
    height = 400,
    left = 50,
    right = width - 14,
    top = 10,
    bottom = height - 40;
  const isLoss = curves.metric !== "accuracy",
    factor = isLoss ? 1 : 100;
  const text = isLoss ? (value) => value.toFixed(4) : points;
  const lineOf = (experiment) => {
    const index = group.experiments.indexOf(experiment);
    const chosen = d3
      .range(group.runs.length)
      .filter(
        (i) =>
          group.runs[i][RUN.experiment] === index &&
          (curves.seed === "mean" || group.runs[i][RUN.seed] === Number(curves.seed)),
      );
    const raw = steps.map(
      (_, s) => d3.mean(chosen, (i) => group.curves[curves.metric][i][s]) ?? null,
    );
    return { experiment, n: chosen.length, raw, smoothed: smooth(raw, curves.smoothing) };
  };
  const experiments = group.experiments.filter(
    (experiment) =>
      `${experiment.method} ${experiment.rounds}` === curves.way &&
      experiment.control === curves.control,
  );
  const lines = ordered(experiments, (experiment) => -experiment.density).map(lineOf);
  lines.forEach((line, i) => {
    line.colour = shade(lines.length > 1 ? i / (lines.length - 1) : 0.4);
    line.name = `${size(line.experiment.density)} of the weights`;
  });
  const dense = group.experiments.find(
    (experiment) => experiment.method === "dense" && experiment.control === "rewind",
  );
  if (dense) lines.push({ ...lineOf(dense), colour: "var(--dense)", name: "dense", isDense: true });
  const drawn = lines.filter((line) => line.n);
  // The start of a training is a cliff: leave out what the first tenth of the steps alone would
  // need.
  const from = Math.min(steps.length - 1, Math.floor(steps.length / 10));
  const range = d3.extent(
    drawn.flatMap((line) => line.raw.slice(from).filter((value) => value !== null)),
  );
  const y = linearScale(range[0] === undefined ? [0, 1] : range.map((value) => factor * value), [
    bottom,
    top,
  ]).nice();
  const x = linearScale([0, steps.at(-1)], [left, right]);
  const svg = d3
    .create("svg")
    .attr("viewBox", [0, 0, width, height])
    .attr("width", width)
    .attr("height", height)
    .attr("role", "img")
    .attr("aria-label", `${METRICS[curves.metric]} over the steps`);
  svg
    .append("clipPath")
    .attr("id", "curves-clip")
    .append("rect")
    .attr("x", left)
    .attr("width", right - left)
    .attr("y", top)
    .attr("height", bottom - top);
  svg
    .append("g")
    .attr("class", "grid")
    .attr("transform", `translate(${left},0)`)
    .call(
      d3
        .axisLeft(y)
        .ticks(7)
        .tickFormat(withMinus(y.tickFormat(7)))
        .tickSize(left - right)
        .tickPadding(8),
    );
  svg
    .append("g")
    .attr("transform", `translate(0,${bottom + 2})`)
    .call(
      d3
        .axisBottom(x)
        .ticks(Math.min(10, width / 90))
        .tickFormat(count)
        .tickSizeOuter(0),
    );
  svg
    .append("text")
    .attr("x", (left + right) / 2)
    .attr("y", height - 4)
    .attr("text-anchor", "middle")
    .text("training steps");
  const path = d3
    .line()
    .x((_, s) => x(steps[s]))
    .y((value) => y(factor * value))
    .defined((value) => value !== null);
  const layer = svg
    .append("g")
    .attr("clip-path", "url(#curves-clip)")
    .attr("fill", "none")
    .attr("stroke-linejoin", "round");
  if (curves.smoothing)
    for (const line of drawn)
      layer
        .append("path")
        .attr("d", path(line.raw))
        .attr("opacity", 0.22)
        .style("stroke", line.colour);
  for (const line of drawn)
    layer
      .append("path")
      .attr("class", "curve")
      .attr("d", path(line.smoothed))
      .attr("stroke-width", line.isDense ? 2.4 : 1.7)
      .style("stroke", line.colour);
  const ranked = (s) =>
    ordered(
      drawn.filter((line) => line.smoothed[s] !== null),
      (line) => (isLoss ? 1 : -1) * line.smoothed[s],
    );
  explain(
    svg,
    steps.map((step, s) => ({
      x: x(step),
      top,
      bottom,
      text: `step ${count(step)}\n${ranked(s)
        .map((line) => `${text(line.smoothed[s])}  ${line.name}`)
        .join("\n")}`,
    })),
    true,
  );
  const key = make(
    "div",
    { class: "legend" },
    ...drawn.map((line) =>
      make(
        "span",
        {},
        make("i", { style: `background:${line.colour}` }),
        `${line.name} (n ${line.n})`,
      ),
    ),
  );
  place.replaceChildren(svg.node(), key);
}
