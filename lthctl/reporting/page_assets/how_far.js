// How far down do tickets keep up? Every ladder as a row of sizes, and as a line.

function drawHowFar() {
  drawLadders();
  drawAgainstSize();
}

function drawLadders() {
  const controls = [...CONTROLS.keys()].filter((control) =>
    group.ladders.some((ladder) => ladder.control === control),
  );
  const rows = grouped(inOrder(group.ladders), wayOf).map(([way, ladders]) => ({
    cells: [
      way,
      ...controls.map((control) => {
        const ladder = ladders.find((of) => of.control === control);
        return ladder ? ladderCell(ladder) : null;
      }),
    ],
  }));
  const headings = controls.map((control) => ({ text: controlWords(control), unit: control }));
  fillTable(find("ladders"), ["pruned by", ...headings], rows);
  const note = group.ladders.length
    ? null
    : "Nothing can be compared with dense here, so no ladder is judged.";
  put("ladders-note", ...(note ? [make("p", {}, note)] : []));
  put("ladders-save", note ? null : saveButtons("ladders", { rows: ladderRows }));
}

/** The smallest size as good as dense, and the next one with why it ends there. */
function ladderCell(ladder) {
  const sizes = ladder.sizes.map((i) => group.experiments[i]);
  const last = sizes[ladder.held - 1];
  const next = sizes[ladder.held];
  const one = (of, verdict) =>
    make(
      "div",
      { class: "step" },
      make("b", {}, size(of.density)),
      " ",
      chip(verdict),
      make("br"),
      small(differenceOf(of.difference)),
    );
  const seeds = ladder.seeds ? make("div", { class: "needs" }, seedsWords(ladder.seeds)) : null;
  return make(
    "div",
    {},
    last ? one(last, ladder.verdicts[ladder.held - 1]) : null,
    next ? one(next, ladder.verdicts[ladder.held]) : small("all sizes that there are"),
    next ? seeds : null,
  );
}
const seedsWords = (seeds) => `${count(seeds)} seeds would tell`;

const ladderRows = () => [
  ["method", "rounds", "control", "ratio", "density", "n", "difference", "low", "high", "verdict"],
  ...inOrder(group.ladders).flatMap(({ method, rounds, control, sizes, verdicts }) =>
    sizes.map((index, i) => {
      const { ratio, density, difference } = group.experiments[index];
      const { n, mean, low, high } = difference;
      return [method, rounds, control, ratio, density, n, mean, low, high, verdicts[i]];
    }),
  ),
];

/** All lines of all ladders, a chart per walk down; all with the same axes. */
function drawAgainstSize() {
  const pruned = inOrder(group.experiments.filter((experiment) => !isDense(experiment)));
  const measures = measuresOf();
  const measure = measures[oneOf(Object.keys(measures), state.measure)];
  const kinds = grouped(pruned, ({ method, control }) => `${method} ${control}`);
  const again = chooses("hidden", drawAgainstSize);
  put(
    "lines",
    pruned.length
      ? select(
          "measured",
          Object.entries(measures).map(([key, { name }]) => [key, name]),
          measure.key,
          chooses("measure", drawAgainstSize),
        )
      : null,
    ...(kinds.length > 1 ? kinds : []).map(([name, [{ method, control }]], i) =>
      make(
        "button",
        {
          type: "button",
          "aria-pressed": String(!state.hidden.includes(name)),
          onclick: () => {
            const others = state.hidden.filter((of) => of !== name);
            again(others.length < state.hidden.length ? others : [...others, name]);
            find("lines").querySelectorAll("button")[i].focus();
          },
        },
        swatch(method, control),
        `${method}, ${control}`,
      ),
    ),
  );
  const shown = pruned.filter(
    ({ method, control }) => !state.hidden.includes(`${method} ${control}`),
  );
  const both = { domain: domainOf(pruned), range: rangeOf(shown, measure) };
  const walks = grouped(pruned, ({ walk }) => walk).map(([walk]) => walk);
  const width = walks.length > 1 && room >= 912 ? (room - 32) / 2 : room;
  const figures = walks.map((walk) => {
    const lines = grouped(
      shown.filter((of) => of.walk === walk),
      ({ method, control }) => `${method} ${control}`,
    ).map(([, sizes]) => lineOfSizes(sizes));
    const title = `${measure.name}, ${walk}`;
    const chart = { lines, measure, width: Math.round(width), height: 320, label: title };
    const caption = make("figcaption", {}, walk);
    return make("figure", {}, caption, sizeChart({ ...chart, ...both }));
  });
  put("sizes-figures", ...figures);
  put(
    "sizes-save",
    saveButtons("sizes", {
      rows: () => [
        ["method", "rounds", "control", "ratio", "density", "n", measure.name, "low", "high"],
        ...shown
          .filter(measure.get)
          .map((of) => [
            of.method,
            of.rounds,
            of.control,
            of.ratio,
            of.density,
            measure.get(of).n,
            ...["mean", "low", "high"].map((end) => measure.get(of)[end]),
          ]),
      ],
      charts: () =>
        figures.map((box) => ({
          box,
          caption: box.querySelector("svg").getAttribute("aria-label"),
        })),
    }),
  );
}

/** Experiments of one method, walk down and control as a line. */
function lineOfSizes(sizes) {
  const [{ method, walk, control }] = sizes;
  const ladder = group.ladders.find(
    (of) => of.method === method && of.walk === walk && of.control === control,
  );
  return {
    sizes: ordered(sizes, (of) => -of.density),
    colour: methodColour(method),
    dash: dashOf(control),
    symbol: symbolOf(control),
    ring: ladder?.held ? group.experiments[ladder.sizes[ladder.held - 1]] : null,
  };
}

function swatch(method, control) {
  const colour = methodColour(method);
  const line = { x2: 26, y1: 6, y2: 6, "stroke-width": 2, "stroke-dasharray": dashOf(control) };
  return drawn(
    "svg",
    { width: 26, height: 12, "aria-hidden": "true" },
    drawn("line", { ...line, style: `stroke:${colour}` }),
    drawn("path", {
      d: d3.symbol().type(symbolOf(control)).size(44)(),
      transform: "translate(13,6)",
      style: `fill:${colour}`,
    }),
  );
}
