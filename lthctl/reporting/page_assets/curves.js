// The curves behind the steps to target: one size against its controls, or all sizes.

const MOST_NAMED = 6; // lines that are named where they run; of more there is a legend

function drawCurves() {
  const pruned = inOrder(group.experiments.filter((experiment) => !isDense(experiment)));
  const ways = grouped(pruned, wayOf).map(([way]) => way);
  const ticket = group.experiments[group.asked.ticket];
  const way = ways.includes(state.way) ? state.way : ticket ? wayOf(ticket) : ways[0];
  const members = pruned.filter((of) => wayOf(of) === way);
  const sizes = grouped(members, ({ ratio }) => String(ratio));
  const ratio = sizes.some(([of]) => of === state.size) || sizes.length < 2 ? state.size : "all";
  const sizeShown = sizes.length === 1 ? sizes[0][0] : ratio;
  const controls = grouped(members, ({ control }) => control).map(([control]) => control);
  const control = controls.includes(state.control) ? state.control : "all";
  const seeds = distinct(group.runs.map((run) => run[RUN.seed]));
  const seed = seeds.includes(Number(state.seed)) ? state.seed : "mean";
  const window = state.window + (1 - (state.window % 2));
  const set = (key) => chooses(key, drawCurves);
  const every = group.curves.steps[1] - group.curves.steps[0] || 0;
  const amount = (of) => (of > 1 ? `${of} evaluations, ${count(of * every)} steps` : "none");
  const output = make("output", {}, amount(window));
  const metric = oneOf(Object.keys(METRICS), state.metric);
  const view = { way, size: sizeShown, control, seed, metric };
  const slider = make("input", {
    type: "range",
    id: "smoothing",
    min: 1,
    max: Math.max(3, Math.min(31, 1 + 2 * Math.floor(group.curves.steps.length / 4))),
    step: 2,
    value: window,
    oninput: () => {
      state.window = Number(slider.value);
      output.textContent = amount(state.window);
      remember();
      drawCurveFigure({ ...view, window: state.window });
    },
  });
  put(
    "curve-controls",
    select("of", Object.entries(METRICS), metric, set("metric")),
    select(
      "pruned by",
      ways.map((of) => [of, of]),
      way,
      set("way"),
    ),
    select(
      "at",
      [
        ...sizes.map(([ratio, [of]]) => [ratio, `${size(of.density)} of the weights`]),
        ...(sizes.length > 1 ? [["all", "all sizes"]] : []),
      ],
      sizeShown,
      set("size"),
    ),
    select(
      "control",
      [["all", "all together"], ...controls.map((of) => [of, of])].slice(
        Number(controls.length < 2),
      ),
      control,
      set("control"),
    ),
    select(
      "seed",
      [["mean", "mean over seeds"], ...seeds.map((of) => [of, `seed ${of}`])].slice(
        seeds.length > 1 ? 0 : 1,
      ),
      seed,
      set("seed"),
    ),
    group.curves.steps.length > 3 ? make("label", {}, "smoothed over", slider, output) : null,
  );
  put(
    "curves-note",
    data.thinned > 1
      ? `Curves are thinned: this page has one evaluation in ${data.thinned}, and the last one. ` +
          "All are in the history.csv of the runs."
      : "",
  );
  drawCurveFigure({ ...view, window });
}

function drawCurveFigure(view) {
  const curves = chosenCurves(view);
  const named = curves.length <= MOST_NAMED;
  const { metric, seed } = view;
  const target =
    metric === "accuracy" && seed === "mean" && view.size !== "all"
      ? { ...group.targets[0], index: 0 }
      : null;
  const width = Math.max(320, room);
  const label = `${METRICS[metric]}${view.way ? `, ${view.way}` : ""}`;
  const svg = learningChart({ curves, metric, target, width, height: 420, label, named });
  const key = make(
    "div",
    { class: "legend" },
    ...curves.map(({ name, colour, dash, n }) => {
      const line = { x2: 22, y1: 5, y2: 5, "stroke-width": 2.4, "stroke-dasharray": dash };
      const sample = drawn("line", { ...line, style: `stroke:${colour}` });
      return make(
        "span",
        {},
        drawn("svg", { width: 22, height: 10, "aria-hidden": "true" }, sample),
        `${name.join(" ")} (n ${n})`,
      );
    }),
  );
  find("curves-figure").replaceChildren(svg, key);
  put(
    "curves-save",
    saveButtons("curves", {
      rows: () => [
        ["curve", "n", "step", metric, "smoothed"],
        ...curves.flatMap(({ name, n, raw, values }) =>
          raw.map((value, s) => [name.join(" "), n, group.curves.steps[s], value, values[s]]),
        ),
      ],
      charts: () => [{ box: find("curves-figure"), caption: label }],
    }),
  );
}

/** Tickets and their controls at one size, or at all; and random masks, and dense. */
function chosenCurves({ way, size: ratio, control, metric, seed, window }) {
  const one = ratio !== "all";
  const members = inOrder(group.experiments).filter(
    (of) =>
      wayOf(of) === way &&
      (!one || String(of.ratio) === ratio) &&
      (control === "all" || of.control === control),
  );
  const [first] = members;
  const random =
    one && control === "all" && first && first.method !== "random"
      ? group.experiments.filter(
          (of) =>
            of.method === "random" &&
            of.control === "rewind" &&
            of.walk === first.walk &&
            of.ratio === first.ratio,
        )
      : [];
  const dense = group.asked.dense === null ? [] : [group.experiments[group.asked.dense]];
  const ratios = distinct(members.map((of) => of.ratio));
  const colourOf = (of) =>
    isDense(of)
      ? "var(--dense)"
      : one
        ? methodColour(of.method)
        : shade(ratios.length > 1 ? ratios.indexOf(of.ratio) / (ratios.length - 1) : 0.4);
  const nameOf = (of) =>
    isDense(of)
      ? ["dense"]
      : one
        ? of.method === first.method
          ? (ONE_NAMES[of.control] ?? CONTROLS.get(of.control).words.split(/(?<=,) /))
          : ["random mask"]
        : [`${size(of.density)}, ${of.control}`];
  return [...dense, ...members, ...random]
    .map((of) => ({
      ...curveOf(group.experiments.indexOf(of), { metric, seed, window }),
      name: nameOf(of),
      colour: colourOf(of),
      dash: dashOf(of.control),
      band: one,
    }))
    .filter(({ n }) => n);
}
const ONE_NAMES = {
  rewind: ["ticket"],
  reinit: ["same mask,", "fresh weights"],
  shuffle: ["mask shuffled"],
};
