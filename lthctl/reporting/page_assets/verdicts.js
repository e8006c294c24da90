// Section 1: does a ticket win?

function verdict() {
  put("headline", ...group.answers.map((text) => make("span", {}, text)));
  put("unknown", ...group.unknown.map((text) => make("li", {}, text)));
  find("title").textContent = group.title;
  const dense = group.experiments.find(
    (experiment) => experiment.method === "dense" && experiment.control === "rewind",
  );
  const best = group.experiments
    .filter((experiment) => experiment.method !== "dense" && experiment.control === "rewind")
    .reduce((a, b) => (a && a.accuracy.mean >= b.accuracy.mean ? a : b), null);
  const number = (label, value, more) =>
    make("div", {}, make("dt", {}, label), make("dd", {}, value, " ", make("small", {}, more)));
  const accuracy = (experiment) =>
    `${points(experiment.accuracy.mean)}${half(experiment.accuracy, points)} %`;
  put(
    "numbers",
    ...(dense ? [number("dense network, accuracy", accuracy(dense), `n ${dense.accuracy.n}`)] : []),
    ...(best
      ? [
          number(
            `most accurate ticket: ${best.ticket}`,
            accuracy(best),
            `n ${best.accuracy.n}, ${size(best.density)} of the weights`,
          ),
        ]
      : []),
    number("runs", count(group.num_runs), plural(group.num_seeds, "seed")),
  );

  const verdicts = ordered(
    group.verdicts,
    (verdict) => verdict.method,
    (verdict) => verdict.rounds,
    (verdict) => verdict.ratio,
  );
  const forests = Object.fromEntries(
    ["dense", "reinit", "random"].map((of) => [of, forestScale(verdicts, of)]),
  );
  const chip = (verdict, words = verdict) =>
    make("span", { class: `chip ${VERDICTS[verdict]}` }, `${SIGNS[VERDICTS[verdict]]} ${words}`);
  const needs = (seeds) =>
    seeds ? make("span", { class: "needs" }, ` ${count(seeds)}+ seeds`) : null;
  /** A paired difference as a picture and as numbers, above what it shows. */
  const difference = (ticket, of) => {
    if (!ticket[of]) return null;
    const { difference: interval, verdict, seeds } = ticket[of];
    if (!interval) return make("div", {}, make("small", {}, "no pair"));
    return make(
      "div",
      {},
      forest(interval, forests[of], ticket.method),
      make(
        "div",
        { class: "figures-of" },
        signed(interval.mean, points) + half(interval, points),
        " ",
        make("small", {}, `n ${interval.n}`),
      ),
      chip(verdict),
      needs(seeds),
    );
  };
  const sooner = ({ sooner: { times, kind, verdict } }) => {
    if (!times) return make("div", {}, make("small", {}, "unknown"));
    const bound = { "at least": "over ", "at most": "at most " }[kind] ?? "";
    const ends =
      times.low === null || times.high === null
        ? ""
        : ` (${times.low.toFixed(2)} to ${times.high.toFixed(2)})`;
    return make(
      "div",
      {},
      make(
        "div",
        { class: "figures-of" },
        `${bound}${times.mean.toFixed(2)}${ends} `,
        make("small", {}, `n ${times.n}`),
      ),
      chip(verdict, { better: "sooner", worse: "later" }[verdict] ?? verdict),
    );
  };
  let before;
  const rows = verdicts.map((verdict) => {
    const way = `${verdict.method}, ${roundsOf(verdict.rounds)}`;
    const gap = before !== undefined && before !== way;
    before = way;
    return {
      gap,
      cells: [
        make(
          "div",
          {},
          make("span", { class: "size" }, size(verdict.density)),
          make("small", {}, way),
        ),
        difference(verdict, "dense"),
        sooner(verdict),
        difference(verdict, "reinit"),
        difference(verdict, "random"),
      ],
    };
  });
  const heading = (text, unit) => ({
    text: make("span", {}, text, ...(unit ? [make("br"), make("small", {}, unit)] : [])),
  });
  fillTable(
    find("verdicts"),
    [
      "Weights left",
      heading("Against dense", "accuracy minus dense, points"),
      heading("Times sooner than dense", "steps to the first target"),
      heading("Against its reinit", "minus reinit, points"),
      heading("Against random pruning", "minus random, points"),
    ],
    rows,
  );
  const notes = [
    `Intervals are ${100 * group.confidence} % t intervals over seeds. ` +
      `A ticket is as accurate as dense if it is not worse by ${points(group.margin)} points or ` +
      "more. The shaded strip is that margin. An arrow means that an interval goes on. " +
      "Each verdict stands by itself, not adjusted for their number. “n+ seeds” would decide " +
      "it with a power of 80 %, if mean and spread stayed as they are.",
    group.test
      ? null
      : "This protocol has no test images. Accuracies are of the images that chose the best " +
        "step, so they are a little too high.",
    group.stops_at_end
      ? `In ${plural(group.stops_at_end, "run")} the validation loss was lowest at the last ` +
        "step. They may be too short to overfit."
      : null,
    dense
      ? null
      : "There is no dense run here, so there is nothing to compare with. Type lthctl prune " +
        "--ratio 0, and retrain that ticket.",
    group.verdicts.some((verdict) => verdict.n === 1)
      ? "One seed has no interval, so nothing can be decided from it."
      : null,
  ];
  put("verdict-notes", ...notes.filter(Boolean).map((text) => make("p", {}, text)));
}

function forestScale(verdicts, of) {
  const shown = verdicts.map((verdict) => verdict[of]?.difference).filter(Boolean);
  const reach = shown.map((interval) =>
    Math.max(Math.abs(interval.low ?? interval.mean), Math.abs(interval.high ?? interval.mean)),
  );
  const margin = group.margin;
  // What most intervals need; one that is far away must not flatten the others.
  const most = Math.max(3 * margin, d3.quantile(reach.sort(d3.ascending), 0.6) || 0, 1e-9);
  const scale = linearScale([-most, most], [4, 136]).clamp(true);
  scale.margin = margin;
  return scale;
}

function forest(interval, scale, method) {
  const svg = d3
    .create("svg")
    .attr("class", "forest")
    .attr("width", 140)
    .attr("height", 16)
    .attr("aria-hidden", "true");
  const [low, high] = [interval.low ?? interval.mean, interval.high ?? interval.mean];
  const [first, last] = scale.domain();
  if (scale.margin)
    svg
      .append("rect")
      .attr("class", "margin")
      .attr("x", scale(-scale.margin))
      .attr("y", 0)
      .attr("width", scale(scale.margin) - scale(-scale.margin))
      .attr("height", 16);
  svg
    .append("line")
    .attr("class", "axis")
    .attr("x1", 4)
    .attr("x2", 136)
    .attr("y1", 8)
    .attr("y2", 8);
  svg
    .append("line")
    .attr("class", "zero")
    .attr("x1", 70)
    .attr("x2", 70)
    .attr("y1", 0)
    .attr("y2", 16);
  const colour = methodColour(method);
  svg
    .append("line")
    .attr("class", "ci")
    .attr("x1", scale(low))
    .attr("x2", scale(high))
    .attr("y1", 8)
    .attr("y2", 8)
    .style("stroke", colour);
  if (low < first) svg.append("path").attr("d", "M0,8l7,-4v8z").style("fill", colour);
  if (high > last) svg.append("path").attr("d", "M140,8l-7,-4v8z").style("fill", colour);
  if (interval.mean >= first && interval.mean <= last)
    svg
      .append("circle")
      .attr("class", "mark")
      .attr("cx", scale(interval.mean))
      .attr("cy", 8)
      .attr("r", 4)
      .style("fill", colour);
  return svg.node();
}
