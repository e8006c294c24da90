// The data of the page, words, numbers, lists and scales. The files of this folder become one
// script; page.py has their order. They draw with d3 5, which mpld3 brings. Text from files gets in
// through textContent only.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
let group; // the one that is shown
// Width of what is drawn, read once: to read it between drawings would lay the page out again.
let room = 0;

// --- words and numbers

const RUN = {
  experiment: 0,
  seed: 1,
  name: 2,
  sparsity: 3,
  best: 4,
  bestStep: 5,
  stopAccuracy: 6,
  stop: 7,
  final: 8,
  arrivals: 9,
};
const METHODS = new Map(
  data.methods.map((method, i) => [method.name, { ...method, colour: `var(--method-${i})` }]),
);
const CONTROLS = new Map(data.controls.map((control) => [control.name, control]));
/** A symbol of d3 from its corners, in units of a half width. */
const polygon = (area, corners) => ({
  draw(context, size) {
    const unit = Math.sqrt(size / area);
    corners.forEach(([x, y], i) =>
      i ? context.lineTo(x * unit, y * unit) : context.moveTo(x * unit, y * unit),
    );
    context.closePath();
  },
});
/** Diagonal: the corners of one arm, four times, each time turned by a right angle. */
const DIAGONAL = d3.range(4).flatMap((turn) =>
  [[1, 0], [2, 1], [1, 2]].map(([x, y]) => [[x, y], [-y, x], [-x, -y], [y, -x]][turn]),
);
const SYMBOLS = {
  o: d3.symbolCircle,
  s: d3.symbolSquare,
  "^": d3.symbolTriangle,
  "*": d3.symbolStar,
  v: polygon(4 / Math.sqrt(3), [[1, -0.6], [0, 1.15], [-1, -0.6]]),
  "<": polygon(4 / Math.sqrt(3), [[0.6, 1], [-1.15, 0], [0.6, -1]]),
  P: d3.symbolCross,
  X: polygon(10, DIAGONAL),
  D: d3.symbolDiamond,
};
/** The words of all verdicts, with a sign and the class of their colour. */
const VERDICTS = {
  better: ["✓", "good"],
  "as good": ["✓", "good"],
  worse: ["✕", "bad"],
  unknown: ["?", "open"],
  "too short to tell": ["…", "open"],
};

const count = d3.format(",d");
const round = (value) => count(Math.round(value));
const percent = (value, digits = 2) => `${(100 * value).toFixed(digits)} %`;
const size = (density) => `${Number((100 * density).toPrecision(3))} %`;
const signed = (value, text) => (value < 0 ? "−" : "+") + text(Math.abs(value));
const ratioText = (ratio) => String(Number(ratio.toFixed(4)));
const points = (value) => (100 * value).toFixed(2);
const half = (interval, text) =>
  interval.low === null ? "" : ` ± ${text(interval.mean - interval.low)}`;
/** A paired difference of accuracies, such as "+0.34 (+0.17 to +0.50), n 5". */
const differenceOf = ({ mean, low, high, n }) =>
  `${signed(mean, points)}` +
  (low === null ? "" : ` (${signed(low, points)} to ${signed(high, points)})`) +
  `, n ${n}`;
const roundsOf = (rounds) =>
  rounds === 0 ? "dense" : rounds === 1 ? "one-shot" : `${rounds} rounds`;
const wayOf = ({ method, walk }) => (method === "dense" ? "dense" : `${method}, ${walk}`);
const isDense = (experiment) => experiment.method === "dense";
const CONTROL_WORDS = {
  rewind: "tickets",
  reinit: "same masks, fresh weights",
  shuffle: "masks shuffled",
};
const controlWords = (control) => CONTROL_WORDS[control] ?? CONTROLS.get(control).words;
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
const styleOf = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const methodColour = (method) => METHODS.get(method).colour;
const dashOf = (control) => CONTROLS.get(control).dash || null;
const symbolOf = (control) => SYMBOLS[CONTROLS.get(control).marker] ?? d3.symbolDiamond;
const withMinus = (format) => (value) => format(value).replace("-", "−");
const isDark = () => root.dataset.theme === "dark";

// The colours of methods, on light and on dark ground.
const themes = document.createElement("style");
themes.textContent = ["light", "dark"]
  .map(
    (theme, i) =>
      `:root[data-theme="${theme}"] { ${data.methods
        .map((method, at) => `--method-${at}: ${method.colours[i]};`)
        .join(" ")} }`,
  )
  .join("\n");
document.head.append(themes);

// Viridis without the end that vanishes on the page's ground.
const shade = (t) => d3.interpolateViridis(isDark() ? 0.28 + 0.72 * t : 0.88 * t);

// --- lists and scales

/** In the order of what is got from the values: of the first that differs. */
const ordered = (values, ...gets) =>
  [...values].sort((a, b) =>
    gets.reduce((before, get) => before || d3.ascending(get(a), get(b)), 0),
  );
const distinct = (values) => ordered(new Set(values), (value) => value);
/** Experiments or ladders in the order of methods, rounds, ratios and controls. */
const inOrder = (values) =>
  ordered(
    values,
    (of) => [...METHODS.keys()].indexOf(of.method),
    (of) => of.per_round ?? 0,
    (of) => of.variant,
    (of) => (of.per_round === null ? of.rounds : 0),
    (of) => of.ratio ?? 0,
    (of) => [...CONTROLS.keys()].indexOf(of.control),
  );

/** [key, values] of each key, in the order in which the keys come. */
function grouped(values, keyOf) {
  const groups = new Map();
  for (const value of values) {
    const key = keyOf(value);
    if (groups.has(key)) groups.get(key).push(value);
    else groups.set(key, [value]);
  }
  return [...groups];
}

/** A linear scale; of a single value, which lies in the middle, too. */
const linearScale = ([low, high], range) =>
  d3
    .scaleLinear()
    .domain([low, high])
    .range(low === high ? range.map(() => d3.mean(range)) : range);
const logScale = (domain, range) => d3.scaleLog().domain(domain).range(range);
const pointScale = (values, range) => d3.scalePoint().domain(values).range(range);
