// Draws the page from the data in it, with d3 5 (mpld3 brings it). Text from files gets in through textContent only.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const root = document.documentElement;
let group; // the one that is shown
let room = 0; // width of what is drawn, read once: to read it between drawings would lay the page out again and again

// --- words and numbers

const RUN = { experiment: 0, seed: 1, name: 2, sparsity: 3, best: 4, bestStep: 5, stopAccuracy: 6, stop: 7, final: 8 };
const METHODS = new Map(data.methods.map((method, i) => [method.name, { ...method, colour: `var(--method-${i})` }]));
const CONTROLS = new Map(data.controls.map((control) => [control.name, control]));
const SYMBOLS = { o: d3.symbolCircle, s: d3.symbolSquare, "^": d3.symbolTriangle, "*": d3.symbolStar, "+": d3.symbolCross, v: d3.symbolWye };
const VERDICTS = { better: "held", "as good": "held", worse: "failed", undecided: "undecided" };
const SIGNS = { held: "✓", failed: "✕", undecided: "?", unknown: "–" };

const count = d3.format(",d");
const round = (value) => count(Math.round(value));
const percent = (value, digits = 2) => `${(100 * value).toFixed(digits)} %`;
const size = (density) => `${Number((100 * density).toPrecision(3))} %`;
const signed = (value, text) => (value < 0 ? "−" : "+") + text(Math.abs(value));
const points = (value) => (100 * value).toFixed(2);
const half = (interval, text) => (interval.low === null ? "" : ` ± ${text(interval.mean - interval.low)}`);
const roundsOf = (rounds) => (rounds === 0 ? "dense" : rounds === 1 ? "one-shot" : `${rounds} rounds`);
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
const styleOf = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const methodColour = (method) => METHODS.get(method).colour;
const dashOf = (control) => CONTROLS.get(control).dash || null;
const symbolOf = (control) => SYMBOLS[CONTROLS.get(control).marker] ?? d3.symbolDiamond;
const withMinus = (format) => (value) => format(value).replace("-", "−");
const isDark = () => root.dataset.theme === "dark";

// The colours of methods, on light and on dark ground.
const themes = document.createElement("style");
themes.textContent = ["light", "dark"].map((theme, i) => `:root[data-theme="${theme}"] { ${data.methods.map((method, at) => `--method-${at}: ${method.colours[i]};`).join(" ")} }`).join("\n");
document.head.append(themes);

// Viridis without the end that vanishes on the page's ground.
const shade = (t) => d3.interpolateViridis(isDark() ? 0.28 + 0.72 * t : 0.88 * t);

// --- lists and scales

/** In the order of what is got from the values: of the first that differs. */
const ordered = (values, ...gets) => [...values].sort((a, b) => gets.reduce((before, get) => before || d3.ascending(get(a), get(b)), 0));
const distinct = (values) => ordered(new Set(values), (value) => value);

/** [key, values] of each key, in the order in which the keys come. */
function grouped(values, keyOf) {
  const found = new Map();
  for (const value of values) {
    const key = keyOf(value);
    if (found.has(key)) found.get(key).push(value); else found.set(key, [value]);
  }
  return [...found];
}

/** A linear scale; of a single value, which lies in the middle, too. */
const linearScale = ([low, high], range) => d3.scaleLinear().domain([low, high]).range(low === high ? range.map(() => d3.mean(range)) : range);
const logScale = (domain, range) => d3.scaleLog().domain(domain).range(range);
const pointScale = (values, range) => d3.scalePoint().domain(values).range(range);

// --- the document

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const find = (id) => document.getElementById(id);
const put = (id, ...children) => find(id).replaceChildren(...children);

/** Fill a table. A heading is text, or {text, right}; a cell is text, a node, or null. The first of a row heads it. */
function fillTable(table, headings, rows) {
  const head = headings.map((of) => make("th", { scope: "col", class: of.right ? "right" : null }, of.text ?? of));
  const body = rows.map((row) =>
    make("tr", { class: row.gap ? "gap" : null }, ...row.cells.map((cell, i) =>
      make(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: headings[i].right ? "right" : null }, cell ?? ""))));
  table.replaceChildren(make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

function select(label, options, chosen, changed) {
  const box = make("select", { onchange: () => changed(box.value) },
    ...options.map(([value, text]) => make("option", { value, selected: String(value) === String(chosen) }, text)));
  return make("label", {}, label, box);
}

function tip(text, x, y) {
  const box = find("tip");
  box.hidden = !text;
  if (!text) return;
  box.textContent = text;
  const { width, height } = box.getBoundingClientRect();
  box.style.left = `${Math.max(4, x + 14 + width > innerWidth ? x - width - 12 : x + 14)}px`;
  box.style.top = `${Math.max(4, y + 14 + height > innerHeight ? y - height - 10 : y + 14)}px`;
}

/** Show the nearest of some points ({x, y, text}) under the mouse, or one after the other by arrow keys. */
function explain(svg, marks, byColumn = false) {
  if (!marks.length) return;
  const ring = svg.append("circle").attr("class", "hot").attr("r", 7).attr("visibility", "hidden");
  const rule = svg.append("line").attr("class", "rule").attr("visibility", "hidden");
  let at = -1;
  const show = (i, x, y) => {
    at = i;
    const mark = marks[i];
    const box = svg.node().getBoundingClientRect();
    if (byColumn) rule.attr("visibility", null).attr("x1", mark.x).attr("x2", mark.x).attr("y1", mark.top).attr("y2", mark.bottom);
    else ring.attr("visibility", null).attr("cx", mark.x).attr("cy", mark.y);
    tip(mark.text, x ?? box.left + mark.x, y ?? box.top + (mark.y ?? mark.top));
  };
  const hide = () => { ring.attr("visibility", "hidden"); rule.attr("visibility", "hidden"); tip(null); };
  svg.attr("tabindex", 0)
    .on("pointermove", () => {
      const [x, y] = d3.mouse(svg.node());
      const far = (mark) => (byColumn ? Math.abs(mark.x - x) : Math.hypot(mark.x - x, mark.y - y));
      const i = d3.scan(marks, (a, b) => far(a) - far(b));
      if (far(marks[i]) < 40) show(i, d3.event.clientX, d3.event.clientY); else hide();
    })
    .on("pointerleave blur", hide)
    .on("keydown", () => {
      const { event } = d3;
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      show((Math.max(at, step > 0 ? -1 : 0) + step + marks.length) % marks.length);
    });
}

function canvasOf(width, height) {
  const scale = devicePixelRatio || 1;
  const canvas = make("canvas", { width: width * scale, height: height * scale, style: `width:${width}px;height:${height}px` });
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  return [canvas, context];
}

// --- 1. the verdict

function verdict() {
  put("headline", ...group.headlines.map((text) => make("span", {}, text)));
  find("title").textContent = group.title;
  const dense = group.experiments.find((experiment) => experiment.method === "dense" && experiment.control === "rewind");
  const best = group.experiments.filter((experiment) => experiment.method !== "dense" && experiment.control === "rewind")
    .reduce((a, b) => (a && a.accuracy.mean >= b.accuracy.mean ? a : b), null);
  const number = (label, value, more) =>
    make("div", {}, make("dt", {}, label), make("dd", {}, value, " ", make("small", {}, more)));
  const accuracy = (experiment) => `${points(experiment.accuracy.mean)}${half(experiment.accuracy, points)} %`;
  put("numbers",
    ...(dense ? [number("dense network, accuracy", accuracy(dense), `n ${dense.accuracy.n}`)] : []),
    ...(best ? [number(`most accurate ticket: ${best.ticket}`, accuracy(best), `n ${best.accuracy.n}, ${size(best.density)} of the weights`)] : []),
    number("runs", count(group.num_runs), plural(group.num_seeds, "seed")));

  const verdicts = ordered(group.verdicts, (verdict) => verdict.method, (verdict) => verdict.rounds, (verdict) => verdict.ratio);
  const forests = Object.fromEntries(["dense", "reinit", "random", "step"].map((of) => [of, forestScale(verdicts, of)]));
  const chip = (state, text) => make("span", { class: `chip ${state}` }, `${SIGNS[state]} ${text}`);
  const needs = (seeds) => (seeds ? make("span", { class: "needs" }, ` ${count(seeds)}+ seeds`) : null);
  /** A paired difference as a picture and as numbers, above what it shows. */
  const difference = (verdict, of, state, text, seeds) => {
    const interval = verdict[of];
    if (!interval) return make("div", {}, state && state !== "unknown" ? chip(state, text) : make("small", {}, "no pair"));
    const format = of === "step" ? round : points;
    return make("div", {}, forest(interval, forests[of], verdict.method),
      make("div", { class: "figures-of" }, signed(interval.mean, format) + half(interval, format), " ", make("small", {}, `n ${interval.n}`)),
      chip(state, text), state === "undecided" ? needs(seeds) : null);
  };
  const words = { held: "yes", failed: "no", undecided: "undecided", unknown: "unknown" };
  let before;
  const rows = verdicts.map((verdict) => {
    const { accurate, fast, sparse, special } = verdict.conditions, way = `${verdict.method}, ${roundsOf(verdict.rounds)}`;
    const gap = before !== undefined && before !== way;
    before = way;
    return { gap, cells: [
      make("div", {}, make("span", { class: "size" }, size(verdict.density)), make("small", {}, way)),
      chip(verdict.state, words[verdict.state]),
      difference(verdict, "dense", accurate, ["held", "failed"].includes(accurate) ? `${accurate}: ${verdict.dense_verdict}` : accurate, verdict.seeds.accurate),
      difference(verdict, "step", fast, fast, verdict.seeds.fast),
      chip(sparse, sparse),
      difference(verdict, "reinit", special, special, verdict.seeds.special),
      verdict.method === "random" ? null : difference(verdict, "random", VERDICTS[verdict.random_verdict], verdict.random_verdict, verdict.seeds.random)] };
  });
  const heading = (text, unit) => ({ text: make("span", {}, text, ...(unit ? [make("br"), make("small", {}, unit)] : [])) });
  fillTable(find("verdicts"), ["Weights left", "Wins", heading("1  As accurate", "minus dense, points"), heading("2  No later", "early stop minus dense, steps"),
    "3  Sparser", heading("4  Beats its reinit", "minus reinit, points"), heading("Against random pruning", "minus random, points")], rows);
  const notes = [
    `Intervals are ${100 * group.confidence} % t intervals over seeds. A ticket is as accurate as dense if it is not worse by ${points(group.margin)} points or more. The shaded strip is that margin. An arrow means that an interval goes on. Verdicts are adjusted for their number (Holm). “n+ seeds” would decide it, if mean and spread stayed as they are.`,
    group.test ? null : "This protocol has no test images. Accuracies are of the images that chose the best step, so they are a little too high.",
    group.stops_at_end ? `In ${plural(group.stops_at_end, "run")} the validation loss was lowest at the last step. They may be too short to overfit.` : null,
    dense && dense.stops_at_end ? `${dense.stops_at_end} of ${dense.accuracy.n} dense runs are among them, so “no later” holds by default there.` : null,
    dense ? null : "There is no dense run here, so there is nothing to compare with. Type lthctl prune --ratio 0, and retrain that ticket.",
    group.verdicts.some((verdict) => verdict.n === 1) ? "One seed has no interval, so nothing can be decided from it." : null,
  ];
  put("verdict-notes", ...notes.filter(Boolean).map((text) => make("p", {}, text)));
}

function forestScale(verdicts, of) {
  const shown = verdicts.map((verdict) => verdict[of]).filter(Boolean);
  const reach = shown.map((interval) => Math.max(Math.abs(interval.low ?? interval.mean), Math.abs(interval.high ?? interval.mean)));
  const margin = of === "step" ? 0 : group.margin;
  // What most intervals need; one that is far away must not flatten the others.
  const most = Math.max(3 * margin, d3.quantile(reach.sort(d3.ascending), 0.6) || 0, 1e-9);
  const scale = linearScale([-most, most], [4, 136]).clamp(true);
  scale.margin = margin;
  return scale;
}

function forest(interval, scale, method) {
  const svg = d3.create("svg").attr("class", "forest").attr("width", 140).attr("height", 16).attr("aria-hidden", "true");
  const [low, high] = [interval.low ?? interval.mean, interval.high ?? interval.mean];
  const [first, last] = scale.domain();
  if (scale.margin) svg.append("rect").attr("class", "margin").attr("x", scale(-scale.margin)).attr("y", 0)
    .attr("width", scale(scale.margin) - scale(-scale.margin)).attr("height", 16);
  svg.append("line").attr("class", "axis").attr("x1", 4).attr("x2", 136).attr("y1", 8).attr("y2", 8);
  svg.append("line").attr("class", "zero").attr("x1", 70).attr("x2", 70).attr("y1", 0).attr("y2", 16);
  const colour = methodColour(method);
  svg.append("line").attr("class", "ci").attr("x1", scale(low)).attr("x2", scale(high)).attr("y1", 8).attr("y2", 8).style("stroke", colour);
  if (low < first) svg.append("path").attr("d", "M0,8l7,-4v8z").style("fill", colour);
  if (high > last) svg.append("path").attr("d", "M140,8l-7,-4v8z").style("fill", colour);
  if (interval.mean >= first && interval.mean <= last)
    svg.append("circle").attr("class", "mark").attr("cx", scale(interval.mean)).attr("cy", 8).attr("r", 4).style("fill", colour);
  return svg.node();
}

// --- 2. parallel coordinates

const parallel = { extents: new Map(), sort: { key: "best", descending: true }, all: false };

function axesOf() {
  const experiment = (run) => group.experiments[run[RUN.experiment]];
  const known = (order, values) => ordered(new Set(values), (value) => order.indexOf(value) >>> 0, (value) => value);
  const ranks = (key, label, get, order, text = String) => {
    const values = order ? known(order, group.runs.map(get)) : distinct(group.runs.map(get));
    const scale = values.length > 14 && typeof values[0] === "number"
      ? linearScale([values[0], values.at(-1)], [0, 1]) : pointScale(values, [0, 1]).padding(0.5);
    return { key, label, get, scale, text, values };
  };
  const linear = (key, label, get, text) => {
    const [low, high] = d3.extent(group.runs, get);
    return { key, label, get, text, scale: linearScale([low, high === low ? low + 1e-6 : high], [0, 1]) };
  };
  const [fewest, most] = d3.extent(group.runs, (run) => 1 - run[RUN.sparsity]);
  const reached = { key: "sparsity", label: "sparsity reached", get: (run) => run[RUN.sparsity], text: (value) => percent(value, 1) };
  const logarithm = logScale([most === fewest ? most * 1.01 : most, fewest], [0, 1]);
  reached.scale = Object.assign((sparsity) => logarithm(1 - sparsity), { ticks: () => spread(distinct(group.experiments.map((of) => 1 - of.density)), (of) => logarithm(1 - of)) });
  return [
    ranks("method", "method", (run) => experiment(run).method, [...METHODS.keys()].reverse()),
    ranks("control", "control", (run) => experiment(run).control, [...CONTROLS.keys()].reverse()),
    ranks("rounds", "rounds", (run) => experiment(run).rounds),
    ranks("ratio", "ratio", (run) => experiment(run).ratio),
    ranks("seed", "seed", (run) => run[RUN.seed]),
    reached,
    linear("best", "best accuracy", (run) => run[RUN.best], (value) => percent(value, 1)),
    linear("stop", "early-stop step", (run) => run[RUN.stop], count),
  ];
}

/** Of some sorted values those that are far enough from each other for labels. */
function spread(values, position) {
  let last = -1;
  return values.filter((value) => { const at = position(value); if (Math.abs(at - last) < 0.045) return false; last = at; return true; });
}

function drawParallel() {
  const place = find("parallel");
  const axes = axesOf();
  const width = Math.max(720, room), height = 440, top = 40, bottom = height - 16;
  place.style.height = `${height}px`;
  place.style.aspectRatio = `${width} / ${height}`;
  const x = pointScale(axes.map((axis) => axis.key), [54, width - 70]);
  const y = (axis, value) => bottom - axis.scale(value) * (bottom - top);
  const runs = group.runs;
  // Where each run crosses each axis; runs of one value are spread around it, so that a ribbon shows how many they are.
  const cross = axes.map((axis) => {
    const room = axis.scale.step && axis.key !== "seed" ? Math.min(26, axis.scale.step() * (bottom - top) * 0.5) : 0;
    const places = new Float64Array(runs.length);
    for (const [, same] of grouped(d3.range(runs.length), (i) => axis.get(runs[i])))
      same.forEach((i, rank) => { places[i] = y(axis, axis.get(runs[i])) + (same.length > 1 ? (rank / (same.length - 1) - 0.5) * room : 0); });
    return places;
  });
  const centre = axes.map((axis) => Float64Array.from(runs, (run) => y(axis, axis.get(run))));
  const xs = axes.map((axis) => x(axis.key));
  const [lowest, highest] = d3.extent(runs, (run) => run[RUN.best]);
  const colour = runs.map((run) => shade(highest > lowest ? (run[RUN.best] - lowest) / (highest - lowest) : 0.5));

  const [canvas, context] = canvasOf(width, height);
  const svg = d3.create("svg").attr("viewBox", [0, 0, width, height]).attr("width", width).attr("height", height).attr("role", "group").attr("aria-label", "Parallel coordinates");
  place.replaceChildren(canvas, svg.node());

  const stroke = (i) => {
    context.beginPath();
    for (let k = 0; k < xs.length; k++) k ? context.lineTo(xs[k], cross[k][i]) : context.moveTo(xs[k], cross[k][i]);
    context.stroke();
  };
  let chosen = [];
  function update(live) {
    const limits = axes.map((axis) => parallel.extents.get(axis.key));
    const inside = (i) => limits.every((limit, k) => !limit || (centre[k][i] >= limit[0] * height - 0.5 && centre[k][i] <= limit[1] * height + 0.5));
    chosen = d3.range(runs.length).filter(inside);
    context.clearRect(0, 0, width, height);
    context.lineWidth = 1;
    const rest = new Set(chosen);
    context.strokeStyle = `rgba(${styleOf("--unselected")}, ${Math.max(0.025, Math.min(0.1, 20 / runs.length))})`;
    for (let i = 0; i < runs.length; i++) if (!rest.has(i)) stroke(i);
    context.lineWidth = chosen.length > 1000 ? 0.8 : 1.3;
    context.globalAlpha = Math.max(0.06, Math.min(0.9, 120 / Math.max(1, chosen.length)));
    // In an order that has nothing to do with accuracy, so that no colour lies on top by rule.
    for (const i of chosen) { context.strokeStyle = colour[i]; stroke(i); }
    context.globalAlpha = 1;
    told(chosen);
    tellSelected(chosen, !live, highlight);
    for (const button of find("presets").children) button.setAttribute("aria-pressed", "false");
  }
  function highlight(i) {
    svg.select(".hot").remove();
    if (i === null) return;
    svg.append("path").attr("class", "hot").attr("d", d3.line()(xs.map((at, k) => [at, cross[k][i]])));
  }

  const brush = d3.brushY().extent([[-14, top - 10], [14, bottom + 10]]);
  const groups = svg.selectAll("g.axis-group").data(axes).enter().append("g").attr("class", "axis-group")
    .attr("data-key", (axis) => axis.key).attr("transform", (axis) => `translate(${x(axis.key)},0)`)
    .attr("tabindex", 0).attr("role", "group").attr("aria-label", (axis) => `${axis.label}: arrows move the choice, Shift with arrows resizes it, Escape clears it`);
  groups.append("rect").attr("class", "frame").attr("x", -22).attr("width", 44).attr("y", top - 14).attr("height", bottom - top + 28).attr("rx", 4);
  // The colours' key lies on the axis that they mean.
  const bar = svg.append("defs").append("linearGradient").attr("id", "accuracy-key").attr("x1", 0).attr("x2", 0).attr("y1", 1).attr("y2", 0);
  for (const t of d3.range(0, 1.01, 0.1)) bar.append("stop").attr("offset", t).attr("stop-color", shade(t));
  groups.filter((axis) => axis.key === "best").append("rect").attr("x", -3).attr("width", 6).attr("y", top).attr("height", bottom - top).attr("fill", "url(#accuracy-key)");
  groups.append("g").attr("class", "axis").each(function (axis) {
    const position = (value) => y(axis, value);
    const ticks = axis.values && axis.scale.step ? axis.values : (axis.key === "sparsity" ? axis.scale.ticks() : axis.scale.ticks(7));
    const node = d3.select(this);
    node.append("line").attr("y1", top - 6).attr("y2", bottom + 6);
    const label = node.selectAll("g").data(ticks).enter().append("g").attr("transform", (value) => `translate(0,${position(value)})`);
    label.append("line").attr("x1", -4).attr("x2", 4);
    label.append("text").attr("x", 9).attr("dy", ".32em").text((value) => axis.text(value));
    node.append("text").attr("class", "label").attr("text-anchor", "middle").attr("y", 14).text(axis.label);
  });
  groups.append("g").attr("class", "brush").style("touch-action", "none").call(brush);
  const brushOf = (key) => groups.filter((axis) => axis.key === key).select(".brush");
  let muted = false;
  brush.on("brush end", (axis) => {
    if (muted) return;
    const { selection, type } = d3.event;
    if (selection) parallel.extents.set(axis.key, selection.map((at) => at / height)); else parallel.extents.delete(axis.key);
    update(type === "brush");
  });
  /** Set some choices at once: key -> the values (or a test of them) that are chosen. */
  function choose(wanted) {
    muted = true;
    parallel.extents.clear();
    for (const [k, axis] of axes.entries()) {
      const test = wanted[axis.key];
      const places = test ? d3.extent(d3.range(runs.length).filter((i) => test(axis.get(runs[i]))), (i) => centre[k][i]) : [];
      const room = axis.scale.step ? axis.scale.step() * (bottom - top) * 0.4 : 6;
      // Nothing of that kind: a choice above everything, of nothing.
      const extent = test && (places[0] === undefined ? [top - 10, top - 9] : [Math.max(top - 10, places[0] - room), Math.min(bottom + 10, places[1] + room)]);
      if (extent) parallel.extents.set(axis.key, extent.map((at) => at / height));
      brushOf(axis.key).call(brush.move, extent ?? null);
    }
    muted = false;
    update();
  }
  groups.on("keydown", (axis) => {
    const { event } = d3;
    const direction = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") return brushOf(axis.key).call(brush.move, null);
    if (!direction) return;
    event.preventDefault();
    const step = axis.scale.step ? axis.scale.step() * (bottom - top) : (bottom - top) / 20;
    let [low, high] = (parallel.extents.get(axis.key) ?? [(top - 10) / height, (top - 10) / height]).map((at) => at * height);
    if (low === high) high = axis.scale.step ? y(axis, axis.values.at(-1)) + step * 0.4 : top + step;
    else if (event.shiftKey) high += direction * step;
    else [low, high] = [low + direction * step, high + direction * step];
    [low, high] = [Math.max(low, top - 10), Math.min(Math.max(high, low + 2), bottom + 10)];
    if (high > low) brushOf(axis.key).call(brush.move, [low, high]);
  });

  const is = (value) => (other) => other === value;
  const [first, ...others] = [...METHODS.keys()].filter((method) => group.experiments.some((of) => of.method === method && method !== "dense"));
  const controls = [...CONTROLS.keys()].reverse().filter((control) => group.experiments.some((of) => of.control === control));
  const presets = [
    ["all runs", {}],
    ...others.map((method) => [`${method} pruning`, { method: is(method) }]),
    ...(first ? controls.map((control) => [`${first}, ${control}`, { method: is(first), control: is(control) }]) : []),
    ...(first ? [[`${first}, ${controls.at(-1)}, ratio below 0.9`, { method: is(first), control: is(controls.at(-1)), ratio: (ratio) => ratio < 0.9 }]] : []),
  ];
  put("presets", ...presets.map(([text, wanted]) => make("button", { type: "button", "aria-pressed": "false", onclick: (event) => {
    choose(wanted);
    event.target.setAttribute("aria-pressed", "true");
  } }, text)));
  // After a redraw the choices are where they were.
  muted = true;
  for (const [key, extent] of parallel.extents) brushOf(key).call(brush.move, extent.map((at) => at * height));
  muted = false;
  update();
}

function told(chosen) {
  const runs = chosen.map((i) => group.runs[i]);
  const bold = (text) => make("b", {}, text);
  const part = (...children) => make("span", {}, ...children);
  put("selection", part(bold(count(runs.length)), ` of ${plural(group.runs.length, "run")}`),
    ...(runs.length ? [
      part("mean best accuracy ", bold(percent(d3.mean(runs, (run) => run[RUN.best])))),
      part(`from ${percent(d3.min(runs, (run) => run[RUN.best]))} to ${percent(d3.max(runs, (run) => run[RUN.best]))}`),
      part("mean early-stop step ", bold(round(d3.mean(runs, (run) => run[RUN.stop])))),
    ] : [part("no run is inside all choices at once")]));
}

const COLUMNS = [
  ["name", "ticket", (run) => run[RUN.name], String],
  ["control", "control", (run) => group.experiments[run[RUN.experiment]].control, String],
  ["sparsity", "sparsity", (run) => run[RUN.sparsity], percent],
  ["best", "best accuracy", (run) => run[RUN.best], percent],
  ["bestStep", "at step", (run) => run[RUN.bestStep], count],
  ["stop", "early-stop step", (run) => run[RUN.stop], count],
  ["stopAccuracy", "accuracy there", (run) => run[RUN.stopAccuracy], percent],
  ["final", "at the end", (run) => run[RUN.final], percent],
];
const MOST_ROWS = 500;

function tellSelected(chosen, whole, highlight) {
  const { key, descending } = parallel.sort;
  const get = COLUMNS.find((column) => column[0] === key)[2];
  const sorted = chosen.slice().sort((i, j) => (descending ? -1 : 1) * d3.ascending(get(group.runs[i]), get(group.runs[j])) || i - j);
  const most = !whole ? 40 : parallel.all ? sorted.length : MOST_ROWS; // the rest when the drag has ended
  const again = () => tellSelected(chosen, true, highlight);
  const heads = COLUMNS.map(([name, text], c) => make("th", { scope: "col", class: c > 1 ? "right" : null, "aria-sort": name === key ? (descending ? "descending" : "ascending") : "none" },
    make("button", { type: "button", onclick: () => {
      parallel.sort = { key: name, descending: name === key ? !descending : c > 1 };
      again();
      find("selected").querySelectorAll("th button")[c].focus();
    } }, text)));
  const rows = sorted.slice(0, most).map((i) => make("tr", { onpointerenter: () => highlight(i), onpointerleave: () => highlight(null) },
    ...COLUMNS.map(([, , value, text], c) => make("td", { class: c > 1 ? "right" : null }, text(value(group.runs[i]))))));
  put("selected", make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const more = sorted.length - most;
  put("selected-note", ...(whole && more > 0 ? [`${count(most)} of ${count(sorted.length)} shown. `, make("button", { type: "button", onclick: () => { parallel.all = true; again(); } }, "Show all")] : []));
}

// --- 3. against remaining weights

const hidden = new Set(); // lines that are switched off, as "method control"

function drawSizes() {
  const pruned = group.experiments.filter((experiment) => experiment.method !== "dense");
  const kinds = grouped(pruned, (experiment) => `${experiment.method} ${experiment.control}`).map(([name, experiments]) => ({ name, method: experiments[0].method, control: experiments[0].control }));
  put("lines", ...kinds.map((kind) => {
    const swatch = d3.create("svg").attr("width", 26).attr("height", 12).attr("aria-hidden", "true");
    swatch.append("line").attr("x2", 26).attr("y1", 6).attr("y2", 6).attr("stroke-width", 2).attr("stroke-dasharray", dashOf(kind.control)).style("stroke", methodColour(kind.method));
    swatch.append("path").attr("d", d3.symbol().type(symbolOf(kind.control)).size(44)()).attr("transform", "translate(13,6)").style("fill", methodColour(kind.method));
    return make("button", { type: "button", "aria-pressed": String(!hidden.has(kind.name)), onclick: (event) => {
      if (!hidden.delete(kind.name)) hidden.add(kind.name);
      drawSizes();
      find("lines").children[kinds.indexOf(kind)].focus();
    } }, swatch.node(), `${kind.method}, ${kind.control}`);
  }));
  const shown = pruned.filter((experiment) => !hidden.has(`${experiment.method} ${experiment.control}`));
  const dense = group.experiments.find((experiment) => experiment.method === "dense" && experiment.control === "rewind");
  const parts = [];
  for (const rounds of distinct(pruned.map((experiment) => experiment.rounds))) {
    for (const [metric, title, text, factor] of [["accuracy", "Maximum validation accuracy, %", points, 100], ["stop", "Early-stop step", round, 1]]) {
      const figure = make("figure", {}, make("figcaption", {}, title, " ", make("small", {}, roundsOf(rounds))));
      parts.push([figure, metric, text, factor, rounds]);
    }
  }
  put("sizes-figures", ...parts.map(([figure]) => figure));
  for (const [figure, metric, text, factor, rounds] of parts) sizeFigure(figure, shown, dense, rounds, metric, text, factor, pruned);
}

function sizeFigure(figure, shown, dense, rounds, metric, text, factor, pruned) {
  const width = Math.max(320, room < 912 ? room : (room - 32) / 2), height = 306, left = 50, right = width - 10, top = 8, bottom = height - 40;
  const ends = (interval) => [interval.low ?? interval.mean, interval.high ?? interval.mean].map((value) => factor * value);
  const all = [...shown, ...(dense ? [dense] : [])].map((experiment) => ends(experiment[metric])).flat();
  const densities = distinct(pruned.map((experiment) => Number((100 * experiment.density).toPrecision(3))));
  const x = logScale([densities.at(-1) * 1.06, densities[0] / 1.06], [left, right]);
  const y = linearScale(all.length ? d3.extent(all) : [0, 1], [bottom, top]).nice();
  const svg = d3.create("svg").attr("viewBox", [0, 0, width, height]).attr("width", width).attr("height", height).attr("role", "img").attr("aria-label", `${figure.textContent} against remaining weights`);
  figure.append(svg.node());
  const across = d3.axisLeft(y).ticks(6).tickFormat(withMinus(y.tickFormat(6))).tickSize(left - right).tickPadding(8);
  svg.append("g").attr("class", "grid").attr("transform", `translate(${left},0)`).call(across);
  const labelled = densities.filter((density) => pruned.some((experiment) => experiment.rounds === rounds && Number((100 * experiment.density).toPrecision(3)) === density));
  const ticks = spread(labelled, (density) => (x(density) - left) / (right - left));
  svg.append("g").attr("transform", `translate(0,${bottom + 2})`).call(d3.axisBottom(x).tickValues(ticks).tickFormat(String).tickSizeOuter(0));
  svg.append("text").attr("x", (left + right) / 2).attr("y", height - 4).attr("text-anchor", "middle").text("remaining weights, %");
  const marks = [];
  if (dense) {
    const [low, high] = ends(dense[metric]).map(y);
    svg.append("rect").attr("x", left).attr("width", right - left).attr("y", high).attr("height", low - high).style("fill", "var(--dense)").attr("opacity", 0.08);
    const at = y(factor * dense[metric].mean);
    svg.append("line").attr("x1", left).attr("x2", right).attr("y1", at).attr("y2", at).style("stroke", "var(--dense)").attr("stroke-width", 1.5);
    svg.append("text").attr("class", "halo").attr("x", right - 4).attr("y", at - 6).attr("text-anchor", "end").style("fill", "var(--dense)").text(`dense, n ${dense[metric].n}`);
    marks.push({ x: left + 10, y: at, text: `dense\n${text(dense[metric].mean)}${half(dense[metric], text)}  (n ${dense[metric].n})` });
  }
  const kinds = grouped(shown.filter((experiment) => experiment.rounds === rounds), (experiment) => `${experiment.method} ${experiment.control}`);
  for (const [, experiments] of kinds) {
    const { method, control } = experiments[0], colour = methodColour(method);
    const sorted = ordered(experiments, (experiment) => -experiment.density);
    const at = (experiment) => [x(100 * experiment.density), y(factor * experiment[metric].mean)];
    svg.append("path").attr("d", d3.line()(sorted.map(at))).attr("fill", "none").attr("stroke-width", 1.8).attr("stroke-dasharray", dashOf(control)).style("stroke", colour);
    for (const experiment of sorted) {
      const [cx, cy] = at(experiment);
      const [low, high] = ends(experiment[metric]).map(y);
      svg.append("line").attr("x1", cx).attr("x2", cx).attr("y1", low).attr("y2", high).attr("stroke-width", 1.2).style("stroke", colour);
      svg.append("path").attr("d", d3.symbol().type(symbolOf(control)).size(40)()).attr("transform", `translate(${cx},${cy})`).style("fill", colour).style("stroke", "var(--paper)");
      const late = metric === "stop" && experiment.stops_at_end ? `\nlowest at the last step in ${experiment.stops_at_end} of ${experiment.stop.n}` : "";
      const test = metric === "accuracy" && experiment.test ? `\ntest accuracy at the early stop ${points(experiment.test.mean)}${half(experiment.test, points)}` : "";
      marks.push({ x: cx, y: cy, text: `${experiment.ticket}, ${control}\n${size(experiment.density)} of the weights\n${text(experiment[metric].mean)}${half(experiment[metric], text)}  (n ${experiment[metric].n})${test}${late}` });
    }
  }
  explain(svg, marks);
}

// --- 4. learning curves

const curves = { metric: "accuracy", control: null, way: null, seed: "mean", smoothing: 0 };
const METRICS = { accuracy: "validation accuracy", loss: "validation loss", train_loss: "training loss" };

/** Exponential moving average that does not lean towards where it started. */
function smooth(values, weight) {
  let total = 0, sum = 0;
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
  const ways = grouped(pruned, wayOf).map(([value, [experiment]]) => [value, `${experiment.method}, ${roundsOf(experiment.rounds)}`]);
  const controls = [...CONTROLS.keys()].filter((control) => group.experiments.some((experiment) => experiment.control === control));
  if (!ways.some(([value]) => value === curves.way)) curves.way = (ways.filter(([value]) => value.startsWith("l1 ")).at(-1) ?? ways[0] ?? [null])[0];
  if (!controls.includes(curves.control)) curves.control = controls[0];
  const seeds = distinct(group.runs.map((run) => run[RUN.seed]));
  if (curves.seed !== "mean" && !seeds.includes(Number(curves.seed))) curves.seed = "mean";
  const set = (name) => (value) => { curves[name] = value; drawCurveFigure(); };
  const amount = make("output", {}, curves.smoothing.toFixed(2));
  const slider = make("input", { type: "range", id: "smoothing", min: 0, max: 0.95, step: 0.05, value: curves.smoothing, oninput: () => {
    curves.smoothing = Number(slider.value);
    amount.textContent = curves.smoothing.toFixed(2);
    drawCurveFigure();
  } });
  put("curve-controls",
    select("of", Object.entries(METRICS), curves.metric, set("metric")),
    ...(ways.length ? [select("pruned by", ways, curves.way, set("way"))] : []),
    select("control", controls.map((control) => [control, control]), curves.control, set("control")),
    select("seed", [["mean", "mean over seeds"], ...seeds.map((seed) => [seed, `seed ${seed}`])], curves.seed, set("seed")),
    make("label", {}, "smoothing", slider, amount));
  put("curves-note", data.thinned > 1 ? `Curves are thinned: this page has one evaluation in ${data.thinned}, and the last one. All are in the history.csv of the runs.` : "");
  drawCurveFigure();
}

function drawCurveFigure() {
  const place = find("curves-figure");
  const { steps } = group.curves;
  const width = Math.max(320, room), height = 400, left = 50, right = width - 14, top = 10, bottom = height - 40;
  const isLoss = curves.metric !== "accuracy", factor = isLoss ? 1 : 100;
  const text = isLoss ? (value) => value.toFixed(4) : points;
  const lineOf = (experiment) => {
    const index = group.experiments.indexOf(experiment);
    const chosen = d3.range(group.runs.length).filter((i) => group.runs[i][RUN.experiment] === index && (curves.seed === "mean" || group.runs[i][RUN.seed] === Number(curves.seed)));
    const raw = steps.map((_, s) => d3.mean(chosen, (i) => group.curves[curves.metric][i][s]) ?? null);
    return { experiment, n: chosen.length, raw, smoothed: smooth(raw, curves.smoothing) };
  };
  const experiments = group.experiments.filter((experiment) => `${experiment.method} ${experiment.rounds}` === curves.way && experiment.control === curves.control);
  const lines = ordered(experiments, (experiment) => -experiment.density).map(lineOf);
  lines.forEach((line, i) => {
    line.colour = shade(lines.length > 1 ? i / (lines.length - 1) : 0.4);
    line.name = `${size(line.experiment.density)} of the weights`;
  });
  const dense = group.experiments.find((experiment) => experiment.method === "dense" && experiment.control === "rewind");
  if (dense) lines.push({ ...lineOf(dense), colour: "var(--dense)", name: "dense", isDense: true });
  const drawn = lines.filter((line) => line.n);
  // The start of a training is a cliff: leave out what the first tenth of the steps alone would need.
  const from = Math.min(steps.length - 1, Math.floor(steps.length / 10));
  const range = d3.extent(drawn.flatMap((line) => line.raw.slice(from).filter((value) => value !== null)));
  const y = linearScale(range[0] === undefined ? [0, 1] : range.map((value) => factor * value), [bottom, top]).nice();
  const x = linearScale([0, steps.at(-1)], [left, right]);
  const svg = d3.create("svg").attr("viewBox", [0, 0, width, height]).attr("width", width).attr("height", height).attr("role", "img").attr("aria-label", `${METRICS[curves.metric]} over the steps`);
  svg.append("clipPath").attr("id", "curves-clip").append("rect").attr("x", left).attr("width", right - left).attr("y", top).attr("height", bottom - top);
  svg.append("g").attr("class", "grid").attr("transform", `translate(${left},0)`).call(d3.axisLeft(y).ticks(7).tickFormat(withMinus(y.tickFormat(7))).tickSize(left - right).tickPadding(8));
  svg.append("g").attr("transform", `translate(0,${bottom + 2})`).call(d3.axisBottom(x).ticks(Math.min(10, width / 90)).tickFormat(count).tickSizeOuter(0));
  svg.append("text").attr("x", (left + right) / 2).attr("y", height - 4).attr("text-anchor", "middle").text("training steps");
  const path = d3.line().x((_, s) => x(steps[s])).y((value) => y(factor * value)).defined((value) => value !== null);
  const layer = svg.append("g").attr("clip-path", "url(#curves-clip)").attr("fill", "none").attr("stroke-linejoin", "round");
  if (curves.smoothing) for (const line of drawn) layer.append("path").attr("d", path(line.raw)).attr("opacity", 0.22).style("stroke", line.colour);
  for (const line of drawn) layer.append("path").attr("class", "curve").attr("d", path(line.smoothed)).attr("stroke-width", line.isDense ? 2.4 : 1.7).style("stroke", line.colour);
  const ranked = (s) => ordered(drawn.filter((line) => line.smoothed[s] !== null), (line) => (isLoss ? 1 : -1) * line.smoothed[s]);
  explain(svg, steps.map((step, s) => ({ x: x(step), top, bottom, text: `step ${count(step)}\n${ranked(s).map((line) => `${text(line.smoothed[s])}  ${line.name}`).join("\n")}` })), true);
  const key = make("div", { class: "legend" }, ...drawn.map((line) => make("span", {}, make("i", { style: `background:${line.colour}` }), `${line.name} (n ${line.n})`)));
  place.replaceChildren(svg.node(), key);
}

// --- 5. sparsity

const chosenTicket = { name: null };

function drawSparsity() {
  const most = d3.max(group.sparsity, (of) => of.rounds) ?? 0;
  const unique = grouped(group.sparsity, (of) => JSON.stringify([of.desired, of.actual])).map(([, all]) => all);
  const names = (all) => {
    const found = [...new Set(all.map((of) => of.ticket))];
    const box = make("span", {}, found[0]);
    if (found.length > 1) box.append(make("br"), make("small", {}, `and ${found.slice(1).join(", ")}`));
    return box;
  };
  const pair = (asked, got) => (asked === undefined ? null : make("span", {}, points(got), make("br"), make("small", {}, `asked ${points(asked)}`)));
  fillTable(find("rounds"), ["ticket", ...d3.range(most).map((i) => ({ text: `after round ${i + 1}`, right: true }))],
    unique.map((all) => ({ cells: [names(all), ...d3.range(most).map((i) => pair(all[0].desired[i], all[0].actual[i]))] })));
  drawLayers();
}

function drawLayers() {
  const name = (row) => `${row[0]}, ratio ${row[2]}, ${roundsOf(row[1])}`;
  const tickets = [...new Set(group.layers.map(name))];
  if (!tickets.length) {
    put("layer-controls", make("p", { class: "note" }, "Sparsity per layer comes from the tickets, and none was found. Say with --masks where they are."));
    return put("layers");
  }
  if (!tickets.includes(chosenTicket.name)) chosenTicket.name = tickets[0];
  put("layer-controls", select("layers of", tickets.map((ticket) => [ticket, ticket]), chosenTicket.name, (value) => { chosenTicket.name = value; drawLayers(); }));
  const rows = group.layers.filter((row) => name(row) === chosenTicket.name);
  const rounds = distinct(rows.map((row) => row[3]));
  fillTable(find("layers"), ["layer", { text: "weights", right: true }, { text: "kept", right: true }, ...rounds.map((number) => ({ text: `after round ${number}`, right: true }))],
    grouped(rows, (row) => row[4]).map(([layer, after]) => ({ cells: [layer, count(after[0][5]), d3.format(",.5~r")(after.at(-1)[7]),
      ...rounds.map((number) => { const row = after.find((of) => of[3] === number); return row ? make("span", {}, points(row[8]), make("br"), make("small", {}, `asked ${points(row[6])}`)) : null; })] })));
}

// --- 6. masks

function drawMasks() {
  const missing = group.missing.length;
  find("masks-lede").hidden = !group.pixels.length;
  put("masks-note", missing ? `${plural(missing, "ticket")} of these runs ${missing === 1 ? "is" : "are"} not in the folder of masks. The pictures and tables of masks leave ${missing === 1 ? "it" : "them"} out: ${group.missing.slice(0, 8).join(", ")}${missing > 8 ? ", …" : ""}. Say where they are: lthctl report --masks DIR.` : "");
  const byRatio = grouped(group.pixels, (row) => `${row[1]} ${row[2]}`);
  put("pixels", ...grouped(byRatio, ([, [row]]) => row[1]).map(([rounds, ratios]) => make("div", {},
    make("h3", {}, roundsOf(rounds)), make("div", { class: "pixels" }, ...ratios.map(([, rows]) => pixelPair(rows))))));
  drawKept();
  drawCommon();
}

function pixelPair(rows) {
  const most = d3.max(rows, (row) => d3.max(row[4])) || 1;
  const gradient = `linear-gradient(90deg, ${d3.range(0, 1.01, 0.125).map((t) => shade(t)).join(", ")})`;
  return make("div", {}, make("h4", {}, `ratio ${rows[0][2]}`),
    make("div", { class: "pair" }, ...rows.map((row) => pixelPicture(row, most))),
    make("div", { class: "scale", style: `background:${gradient}` }), make("div", { class: "ends" }, make("span", {}, "0"), make("span", {}, `${Math.round(most)} weights`)));
}

function pixelPicture([method, , ratio, n, kept], most) {
  const side = Math.sqrt(kept.length);
  const text = (i) => `${method}, pixel in row ${Math.floor(i / side) + 1}, column ${(i % side) + 1}\n${kept[i].toFixed(1)} weights survive (n ${n})`;
  const canvas = make("canvas", { width: side, height: side, role: "img", "aria-label": `Surviving weights per pixel, ${method} at ratio ${ratio}: most ${d3.max(kept)}, mean ${d3.mean(kept).toFixed(1)}`,
    onpointermove: (event) => {
      const box = canvas.getBoundingClientRect();
      const at = (part, whole) => Math.min(side - 1, Math.max(0, Math.floor((part / whole) * side)));
      tip(text(at(event.clientY - box.top, box.height) * side + at(event.clientX - box.left, box.width)), event.clientX, event.clientY);
    }, onpointerleave: () => tip(null) });
  const context = canvas.getContext("2d");
  kept.forEach((value, i) => {
    context.fillStyle = shade(value / most);
    context.fillRect(i % side, Math.floor(i / side), 1, 1);
  });
  return make("figure", {}, canvas, make("figcaption", {}, `${method} (n ${n})`));
}

function drawKept() {
  const last = group.layers.filter((row) => row[3] === row[1]);
  const layers = [...new Set(last.map((row) => row[4]))];
  fillTable(find("kept"), ["ticket", ...layers],
    grouped(last, (row) => `${row[0]}, ratio ${row[2]}, ${roundsOf(row[1])}`).map(([ticket, rows]) => ({ cells: [ticket, ...layers.map((layer) => {
      const row = rows.find((of) => of[4] === layer);
      if (!row) return null;
      const density = row[7] / row[5];
      return make("span", {}, size(density), " ", make("small", {}, d3.format(",.5~r")(row[7])), make("span", { class: "fill" }, make("i", { style: `width:${100 * density}%;background:${methodColour(row[0])}` })));
    })] })));
}

function drawCommon() {
  const name = (method, rounds, ratio) => `${method}, ratio ${ratio}, ${roundsOf(rounds)}`;
  const times = (value) => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ×`;
  const tickets = [...new Set(group.common.flatMap((row) => [name(...row.slice(0, 3)), name(...row.slice(3, 6))]))];
  const shown = (row, other) => row && make("span", {}, times(row[10]), " ", make("small", {}, `n ${row[7]}${row[13] > Math.log10(0.05) ? ", could be chance" : ""}`), make("br"),
    make("small", {}, `${other ? `${other}; ` : ""}${times(row[11])} to ${times(row[12])}`));
  const of = (ticket, differs) => group.common.filter((row) => row[6] === differs && (name(...row.slice(0, 3)) === ticket || name(...row.slice(3, 6)) === ticket));
  const partner = (row, ticket) => (name(...row.slice(0, 3)) === ticket ? row.slice(3, 6) : row.slice(0, 3));
  // Of the other ratios the next: the overlap with all is in overlap.csv.
  const next = (ticket) => of(ticket, "ratio").filter((row) => name(...row.slice(0, 3)) === ticket)[0];
  const many = (ticket, differs, text) => {
    const rows = of(ticket, differs);
    return rows.length ? make("div", {}, ...rows.map((row) => make("div", {}, shown(row, text(partner(row, ticket)))))) : null;
  };
  const columns = [
    ["another seed", (ticket) => shown(of(ticket, "seed")[0])],
    ["another method", (ticket) => many(ticket, "method", ([method]) => `with ${method}`)],
    ["other rounds", (ticket) => many(ticket, "rounds", ([, rounds]) => `with ${roundsOf(rounds)}`)],
    ["the next ratio", (ticket) => { const row = next(ticket); return shown(row, row && `with ${row[5]}`); }],
  ];
  const used = columns.filter(([, cell]) => tickets.some((ticket) => cell(ticket)));
  fillTable(find("common"), ["ticket", ...used.map(([text]) => text)], tickets.map((ticket) => ({ cells: [ticket, ...used.map(([, cell]) => cell(ticket))] })));
}

// --- 7. provenance

function drawProvenance(index) {
  const { revision, software, groups } = data.provenance, of = groups[index];
  fillTable(find("protocol"), ["", "here", "paper"], of.protocol.map((row) => ({ cells: [row.item, make("span", { class: row.departs ? "departs" : null }, row.departs ? "≠ " : "", row.here), row.paper] })));
  const list = (object) => Object.entries(object).map(([key, value]) => `${key.replaceAll("_", " ")} ${Array.isArray(value) ? value.join("-") : value}`).join(", ");
  const seeds = of.n.seeds;
  const facts = [
    ["n", `${plural(of.n.runs, "run")} of ${plural(of.n.tickets, "ticket")}, ${plural(of.n.experiments, "experiment")}, ${plural(seeds.length, "seed")} (${seeds.length > 12 ? `${seeds[0]} to ${seeds.at(-1)}` : seeds.join(", ")}), ${plural(of.n.evaluations, "evaluation")}`],
    ["engine", `${of.train.engine} on ${of.train.device}, ${plural(of.train.threads, "thread")} a training`],
    ["retrained with", list(of.train)],
    ...of.train_of_tickets.map((train) => ["tickets found with", list(train)]),
    ["model", list(of.model)],
    ["prunable", of.prunable],
    ["judged with", list(of.judged_with)],
    ["data", list({ name: of.data.name, train: of.data.train, validation: of.data.validation, test: of.data.test })],
    ...of.data_digests.map((digest) => ["data, SHA-256", digest]),
    ["report made with", list(software)],
    ["git revision", revision ? revision.commit : "not in a git repository"],
    ...(revision && revision.changed.length ? [["uncommitted", `${revision.changed.slice(0, 6).join(", ")}${revision.changed.length > 6 ? ` and ${revision.changed.length - 6} more` : ""}`]] : []),
  ];
  put("facts", ...facts.flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, value)]));
  const folders = data.left_out;
  put("left-out", ...(folders.length ? [make("h3", {}, `Left out: ${plural(folders.length, "damaged folder")}`),
    make("ul", { class: "notes" }, ...folders.map((one) => make("li", {}, one.reason.startsWith(one.folder) ? one.reason : `${one.folder}: ${one.reason}`)))] : []));
}

// --- all of it

function draw(index) {
  group = data.groups[index];
  room = find("runs").clientWidth;
  verdict();
  drawParallel();
  drawSizes();
  drawCurves();
  drawSparsity();
  drawMasks();
  drawProvenance(index);
}

let shown = 0;
function showGroup(index) {
  shown = index;
  parallel.extents.clear();
  hidden.clear();
  for (const [i, button] of [...find("groups").children].entries()) button.setAttribute("aria-pressed", String(i === index));
  draw(index);
}

const THEMES = ["auto", "light", "dark"];
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let theme = "auto";
function applyTheme(wanted = theme) {
  root.dataset.theme = wanted === "auto" ? (prefersDark.matches ? "dark" : "light") : wanted;
  if (group) draw(shown);
}
find("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  find("theme").replaceChildren("◐ ", make("span", {}, theme));
  find("theme").setAttribute("aria-label", `Theme: ${theme === "auto" ? "as the system has it" : theme}`);
  applyTheme();
});
prefersDark.addEventListener("change", () => applyTheme());
addEventListener("beforeprint", () => applyTheme("light")); // paper is light
addEventListener("afterprint", () => applyTheme());
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  clearTimeout(showGroup.timer);
  showGroup.timer = setTimeout(() => draw(shown), 120);
});

if (document.createElement("canvas").getContext("2d")) {
  root.classList.add("scripted"); // from here on pictures need not stand in
  if (data.groups.length > 1) {
    find("groups").hidden = false;
    put("groups", ...data.groups.map((of, i) => make("button", { type: "button", onclick: () => showGroup(i) }, `Group ${i + 1}: ${of.title} (${plural(of.num_runs, "run")})`)));
  }
  applyTheme();
  showGroup(0);
  root.dataset.ready = "yes";
}
