// The first screen: three answers, what is not known, and the picture in which both are seen.

function drawAnswers() {
  put(
    "answers",
    ...group.cards.map(({ question, figure, caption, sentence }) =>
      make(
        "li",
        {},
        question ? make("p", { class: "question" }, question) : null,
        figure ? make("p", { class: "figure" }, figure, " ", small(caption)) : null,
        make("p", { class: "sentence" }, sentence),
      ),
    ),
  );
  put("unknown", ...group.unknown.map((text) => make("li", {}, text)));
  find("whole-report").textContent = group.whole_report;
  find("rule").textContent = group.rule;
  find("group").textContent =
    `${plural(group.num_runs, "run")}, ${plural(group.num_seeds, "seed")}: ${group.title}`;
  drawFirst();
}

/** How a ticket learns, beside how far down its ladder keeps up. */
function drawFirst() {
  const { asked } = group;
  find("first").hidden = asked.ticket === undefined;
  if (find("first").hidden) return put("first-figures");
  const wide = room >= 760;
  const height = wide ? 372 : 320;
  const [left, right] = wide ? [room * 0.54 - 14, room * 0.46 - 14] : [room, room];
  const parts = [firstCurves(Math.round(left), height)];
  if (asked.ladders.length) parts.push(firstSizes(Math.round(right), height));
  put("first-figures", ...parts);
  put(
    "first-save",
    saveButtons("answer", {
      rows: () => [
        ["curve", "n", "step", "accuracy", "low", "high"],
        ...firstLines().flatMap(({ name, n, raw, ends }) =>
          raw.map((value, s) => [
            name.join(" "),
            n,
            group.curves.steps[s],
            value,
            ...(ends[s] ?? [null, null]),
          ]),
        ),
      ],
      charts: () =>
        [...find("first-figures").children].map((box) => ({
          box,
          caption: box.querySelector("figcaption").textContent,
        })),
    }),
  );
}

/** The curves of the answers' ticket and of what it is measured against. */
function firstLines() {
  const { dense, ticket, reinit, random } = group.asked;
  const named = [
    [dense, ["dense"]],
    [ticket, ["ticket"]],
    [reinit, ["same mask,", "fresh weights"]],
    [random, ["random mask"]],
  ];
  return named
    .filter(([index]) => index !== null && index !== undefined)
    .map(([index, name]) => {
      const experiment = group.experiments[index];
      return {
        ...curveOf(index),
        name,
        band: true,
        colour: isDense(experiment) ? "var(--dense)" : methodColour(experiment.method),
        dash: dashOf(experiment.control),
      };
    });
}

function firstCurves(width, height) {
  const ticket = group.experiments[group.asked.ticket];
  const [{ accuracy }] = group.targets;
  const curves = firstLines();
  const numbers = distinct(curves.map(({ n }) => n)).join(" to ");
  const confidence = `${Number((100 * group.confidence).toPrecision(4))} %`;
  const rest = Number(numbers) === 1 ? "one seed" : `mean and ${confidence} band, n ${numbers}`;
  const title = `Learning, at ${size(ticket.density)} of the weights`;
  const svg = learningChart({
    curves,
    metric: "accuracy",
    target: { ...group.targets[0], index: 0, accuracy },
    until: group.asked.until,
    sooner: [ticket, group.experiments[group.asked.dense]],
    width,
    height,
    label: title,
    named: true,
  });
  const caption = make("figcaption", {}, `${title}: `, small(rest));
  return make("figure", { style: `width:${width}px` }, caption, svg);
}

function firstSizes(width, height) {
  const ladders = group.asked.ladders.map((i) => group.ladders[i]);
  const rewound = ladders[0].control === "rewind" ? ladders[0].method : null;
  const lines = ladders.map((ladder) => ({
    ...lineOf(ladder),
    name:
      ladder.control !== "rewind"
        ? ["same masks,", "fresh weights"]
        : ladder.method === rewound
          ? ["tickets"]
          : ["random masks"],
  }));
  const measure = measuresOf().difference;
  const all = lines.flatMap((line) => line.sizes);
  const title = "How far down each keeps up";
  const margin = Number((100 * group.margin).toPrecision(3));
  const rest = `a ring: the last size within ${margin} points`;
  const svg = sizeChart({
    lines,
    measure,
    width,
    height,
    label: title,
    named: true,
    domain: domainOf(all),
    range: rangeOf(all, measure, lines[0].sizes),
  });
  const caption = make("figcaption", {}, `${title}: `, small(rest));
  return make("figure", { style: `width:${width}px` }, caption, svg);
}

/** A ladder as a line against size. */
function lineOf(ladder) {
  const sizes = ladder.sizes.map((i) => group.experiments[i]);
  return {
    ladder,
    sizes,
    colour: methodColour(ladder.method),
    dash: dashOf(ladder.control),
    symbol: symbolOf(ladder.control),
    ring: ladder.held ? sizes[ladder.held - 1] : null,
  };
}
