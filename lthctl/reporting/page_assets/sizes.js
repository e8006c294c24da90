// Section 3: accuracy and early stop against remaining weights.

const hidden = new Set(); // lines that are switched off, as "method control"

function drawSizes() {
  const pruned = group.experiments.filter((experiment) => experiment.method !== "dense");
  const kinds = grouped(pruned, (experiment) => `${experiment.method} ${experiment.control}`).map(
    ([name, experiments]) => ({
      name,
      method: experiments[0].method,
      control: experiments[0].control,
    }),
  );
  put(
    "lines",
    ...kinds.map((kind) => {
      const swatch = d3
        .create("svg")
        .attr("width", 26)
        .attr("height", 12)
        .attr("aria-hidden", "true");
      swatch
        .append("line")
        .attr("x2", 26)
        .attr("y1", 6)
        .attr("y2", 6)
        .attr("stroke-width", 2)
        .attr("stroke-dasharray", dashOf(kind.control))
        .style("stroke", methodColour(kind.method));
      swatch
        .append("path")
        .attr("d", d3.symbol().type(symbolOf(kind.control)).size(44)())
        .attr("transform", "translate(13,6)")
        .style("fill", methodColour(kind.method));
      return make(
        "button",
        {
          type: "button",
          "aria-pressed": String(!hidden.has(kind.name)),
          onclick: (event) => {
            if (!hidden.delete(kind.name)) hidden.add(kind.name);
            drawSizes();
            find("lines").children[kinds.indexOf(kind)].focus();
          },
        },
        swatch.node(),
        `${kind.method}, ${kind.control}`,
      );
    }),
  );
  const shown = pruned.filter(
    (experiment) => !hidden.has(`${experiment.method} ${experiment.control}`),
  );
  const dense = group.experiments.find(
    (experiment) => experiment.method === "dense" && experiment.control === "rewind",
  );
  const parts = [];
  for (const rounds of distinct(pruned.map((experiment) => experiment.rounds))) {
    for (const [metric, title, text, factor] of [
      ["accuracy", "Maximum validation accuracy, %", points, 100],
      ["stop", "Early-stop step", round, 1],
    ]) {
      const figure = make(
        "figure",
        {},
        make("figcaption", {}, title, " ", make("small", {}, roundsOf(rounds))),
      );
      parts.push([figure, metric, text, factor, rounds]);
    }
  }
  put("sizes-figures", ...parts.map(([figure]) => figure));
  for (const [figure, metric, text, factor, rounds] of parts)
    sizeFigure(figure, shown, dense, rounds, metric, text, factor, pruned);
}

function sizeFigure(figure, shown, dense, rounds, metric, text, factor, pruned) {
  const width = Math.max(320, room < 912 ? room : (room - 32) / 2),
    height = 306,
    left = 50,
    right = width - 10,
    top = 8,
    bottom = height - 40;
  const ends = (interval) =>
    [interval.low ?? interval.mean, interval.high ?? interval.mean].map((value) => factor * value);
  const all = [...shown, ...(dense ? [dense] : [])]
    .map((experiment) => ends(experiment[metric]))
    .flat();
  const densities = distinct(
    pruned.map((experiment) => Number((100 * experiment.density).toPrecision(3))),
  );
  const x = logScale([densities.at(-1) * 1.06, densities[0] / 1.06], [left, right]);
  const y = linearScale(all.length ? d3.extent(all) : [0, 1], [bottom, top]).nice();
  const svg = d3
    .create("svg")
    .attr("viewBox", [0, 0, width, height])
    .attr("width", width)
    .attr("height", height)
    .attr("role", "img")
    .attr("aria-label", `${figure.textContent} against remaining weights`);
  figure.append(svg.node());
  const across = d3
    .axisLeft(y)
    .ticks(6)
    .tickFormat(withMinus(y.tickFormat(6)))
    .tickSize(left - right)
    .tickPadding(8);
  svg.append("g").attr("class", "grid").attr("transform", `translate(${left},0)`).call(across);
  const labelled = densities.filter((density) =>
    pruned.some(
      (experiment) =>
        experiment.rounds === rounds &&
        Number((100 * experiment.density).toPrecision(3)) === density,
    ),
  );
  const ticks = spread(labelled, (density) => (x(density) - left) / (right - left));
  svg
    .append("g")
    .attr("transform", `translate(0,${bottom + 2})`)
    .call(d3.axisBottom(x).tickValues(ticks).tickFormat(String).tickSizeOuter(0));
  svg
    .append("text")
    .attr("x", (left + right) / 2)
    .attr("y", height - 4)
    .attr("text-anchor", "middle")
    .text("remaining weights, %");
  const marks = [];
  if (dense) {
    const [low, high] = ends(dense[metric]).map(y);
    svg
      .append("rect")
      .attr("x", left)
      .attr("width", right - left)
      .attr("y", high)
      .attr("height", low - high)
      .style("fill", "var(--dense)")
      .attr("opacity", 0.08);
    const at = y(factor * dense[metric].mean);
    svg
      .append("line")
      .attr("x1", left)
      .attr("x2", right)
      .attr("y1", at)
      .attr("y2", at)
      .style("stroke", "var(--dense)")
      .attr("stroke-width", 1.5);
    svg
      .append("text")
      .attr("class", "halo")
      .attr("x", right - 4)
      .attr("y", at - 6)
      .attr("text-anchor", "end")
      .style("fill", "var(--dense)")
      .text(`dense, n ${dense[metric].n}`);
    marks.push({
      x: left + 10,
      y: at,
      text:
        `dense\n${text(dense[metric].mean)}${half(dense[metric], text)}` +
        `  (n ${dense[metric].n})`,
    });
  }
  const kinds = grouped(
    shown.filter((experiment) => experiment.rounds === rounds),
    (experiment) => `${experiment.method} ${experiment.control}`,
  );
  for (const [, experiments] of kinds) {
    const { method, control } = experiments[0],
      colour = methodColour(method);
    const sorted = ordered(experiments, (experiment) => -experiment.density);
    const at = (experiment) => [x(100 * experiment.density), y(factor * experiment[metric].mean)];
    svg
      .append("path")
      .attr("d", d3.line()(sorted.map(at)))
      .attr("fill", "none")
      .attr("stroke-width", 1.8)
      .attr("stroke-dasharray", dashOf(control))
      .style("stroke", colour);
    for (const experiment of sorted) {
      const [cx, cy] = at(experiment);
      const [low, high] = ends(experiment[metric]).map(y);
      svg
        .append("line")
        .attr("x1", cx)
        .attr("x2", cx)
        .attr("y1", low)
        .attr("y2", high)
        .attr("stroke-width", 1.2)
        .style("stroke", colour);
      svg
        .append("path")
        .attr("d", d3.symbol().type(symbolOf(control)).size(40)())
        .attr("transform", `translate(${cx},${cy})`)
        .style("fill", colour)
        .style("stroke", "var(--paper)");
      const late =
        metric === "stop" && experiment.stops_at_end
          ? `\nlowest at the last step in ${experiment.stops_at_end} of ${experiment.stop.n}`
          : "";
      const test =
        metric === "accuracy" && experiment.test
          ? "\ntest accuracy at the early stop " +
            points(experiment.test.mean) +
            half(experiment.test, points)
          : "";
      marks.push({
        x: cx,
        y: cy,
        text:
          `${experiment.ticket}, ${control}\n${size(experiment.density)} of the weights\n` +
          `${text(experiment[metric].mean)}${half(experiment[metric], text)}` +
          `  (n ${experiment[metric].n})${test}${late}`,
      });
    }
  }
  explain(svg, marks);
}
