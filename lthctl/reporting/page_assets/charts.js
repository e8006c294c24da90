// What all charts have in common: elements, axes, and what is seen under the mouse.

/** An element of an SVG. */
function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS(d3.namespaces.svg, tag);
  for (const [key, value] of Object.entries(attributes))
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An empty chart, and the part of it that lies inside its axes. */
function chartOf({ width, height, left = 52, right = 24, top = 26, bottom = 42, label }) {
  const svg = drawn("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": label,
  });
  const plot = { left, right: width - right, top, bottom: height - bottom };
  chartOf.number = (chartOf.number ?? 0) + 1;
  const id = `inside-${chartOf.number}`;
  const { left: x, top: y } = plot;
  const box = { x, y, width: plot.right - x, height: plot.bottom - y };
  svg.append(drawn("clipPath", { id }, drawn("rect", box)));
  plot.inside = drawn("g", { "clip-path": `url(#${id})`, class: "inside" });
  return { svg, plot };
}

const ruler = document.createElement("canvas").getContext("2d");
const FAMILY = getComputedStyle(document.body).fontFamily;
/** The width of a text in pixels. */
function textWidth(text, font = "12px") {
  ruler.font = `${font} ${FAMILY}`;
  return ruler.measureText(text).width;
}

/** Ticks whose texts differ and do not touch, as [value, text, place]. */
function ticksApart(values, textOf, placeOf, roomOf) {
  const kept = [];
  for (const value of values) {
    const tick = [value, textOf(value), placeOf(value)];
    const touches = ([, text, place]) =>
      text === tick[1] || Math.abs(place - tick[2]) < (roomOf(text) + roomOf(tick[1])) / 2;
    if (!kept.some(touches)) kept.push(tick);
  }
  return kept;
}

/** The axes of a chart: {scale, name, values, text} across and up. */
function drawAxes(svg, plot, across, up) {
  const { left, right, top, bottom } = plot;
  const values = up.values ?? up.scale.ticks(Math.max(3, Math.round((bottom - top) / 46)));
  const format = up.text ?? up.scale.tickFormat(values.length);
  const ticks = ticksApart(values, withMinus(format), up.scale, () => 14);
  for (const [, text, y] of ticks) {
    svg.append(
      drawn("line", { class: "grid", x1: left, x2: right, y1: y, y2: y }),
      drawn("text", { class: "tick", x: left - 8, y, dy: ".32em", "text-anchor": "end" }, text),
    );
  }
  svg.append(drawn("text", { class: "name", x: 2, y: top - 12 }, up.name));
  svg.append(drawn("line", { class: "domain", x1: left, x2: right, y1: bottom, y2: bottom }));
  const below = across.values ?? across.scale.ticks(Math.max(2, Math.round((right - left) / 90)));
  for (const [, text, x] of ticksApart(
    below,
    across.text,
    across.scale,
    (word) => textWidth(word) + 10,
  )) {
    svg.append(
      drawn("line", { class: "domain", x1: x, x2: x, y1: bottom, y2: bottom + 5 }),
      drawn("text", { class: "tick", x, y: bottom + 18, "text-anchor": "middle" }, text),
    );
  }
  const middle = { x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle" };
  svg.append(drawn("text", { class: "name", ...middle }, across.name));
}

const lineThrough = (points) => d3.line().defined((point) => point !== null)(points);

/** An interval as a line that ends where the chart does; an arrow says that it goes on. */
function drawBar(parent, plot, x, low, high, colour) {
  const [from, to] = [low, high].map((y) => Math.max(plot.top, Math.min(plot.bottom, y)));
  if (from - to < 0.5) return;
  const ends = { x1: x, x2: x, y1: from, y2: to };
  parent.append(drawn("line", { class: "bar", ...ends, style: `stroke:${colour}` }));
  const arrow = (y, way) =>
    drawn("path", { class: "goes-on", d: `M${x},${y}l-4,${way}h8z`, style: `fill:${colour}` });
  if (low > plot.bottom) parent.append(arrow(plot.bottom, -6));
  if (high < plot.top) parent.append(arrow(plot.top, 6));
}

/**
 * Show the nearest of some points ({x, y, text}) under the mouse, or one after the other by arrow
 * keys. By column, the nearest across, with a line from top to bottom.
 */
function explain(svg, plot, marks, byColumn = false) {
  if (!marks.length) return;
  const ring = drawn("circle", { class: "hot", r: 7, visibility: "hidden" });
  const rule = drawn("line", { class: "rule", y1: plot.top, y2: plot.bottom });
  rule.setAttribute("visibility", "hidden");
  svg.append(ring, rule);
  let at = -1;
  const show = (i, x, y) => {
    at = i;
    const mark = marks[i];
    const box = svg.getBoundingClientRect();
    const part = byColumn ? rule : ring;
    const place = byColumn ? { x1: mark.x, x2: mark.x } : { cx: mark.x, cy: mark.y };
    for (const [key, value] of Object.entries(place)) part.setAttribute(key, value);
    part.setAttribute("visibility", "visible");
    tip(mark.text, x ?? box.left + mark.x, y ?? box.top + (mark.y ?? plot.top));
  };
  const hide = () => {
    for (const part of [ring, rule]) part.setAttribute("visibility", "hidden");
    tip(null);
  };
  svg.setAttribute("tabindex", "0");
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const far = (mark) => (byColumn ? Math.abs(mark.x - x) : Math.hypot(mark.x - x, mark.y - y));
    const i = d3.scan(marks, (a, b) => far(a) - far(b));
    if (far(marks[i]) < 40) show(i, event.clientX, event.clientY);
    else hide();
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    show((Math.max(at, step > 0 ? -1 : 0) + step + marks.length) % marks.length);
  });
}
